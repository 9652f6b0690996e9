"""What we expect of other people's resources, by file: verdict and place only, nothing of their contents."""

from __future__ import annotations

from typing import Final

from gateway.model.event import Release

RELEASE_OF: Final = {
    "malformed/FHIR_fhir-test-cases__dr-bad-att-hash.json": Release.R5,
    "malformed/FHIR_fhir-test-cases__questionnaireresponse-enablewhen-combination-stu3-disabled-invalid.json": Release.STU3,
    "malformed/FHIR_fhir-test-cases__questionnaireresponse-enablewhen-combination-stu3-enabled-invalid.json": Release.STU3,
}
"""Where the folder does not tell it."""

REFUSED: Final = {
    "malformed/FHIR_fhir-test-cases__bad-json-close-1.json": "400 the body is not JSON: line 15, column 11",
    "malformed/FHIR_fhir-test-cases__bad-json-close-2.json": "400 the body is not JSON: line 15, column 11",
    "malformed/FHIR_fhir-test-cases__bad-json-close-3.json": "400 the body is not JSON: line 16, column 9",
    "malformed/FHIR_fhir-test-cases__group-choice-bad1.json": "422 101 Group.characteristic[0].value",
    "malformed/FHIR_fhir-test-cases__group-choice-bad2.json": "422 101 Group.characteristic[0].value",
    "malformed/FHIR_fhir-test-cases__group-choice-bad3.json": "422 102 Group.characteristic[0].valueBoolean",
    "malformed/FHIR_fhir-test-cases__json-comma-bad-1.json": "400 the body is not JSON: line 7, column 7",
    "malformed/FHIR_fhir-test-cases__json-comma-bad-2.json": "400 the body is not JSON: line 9, column 7",
    "malformed/FHIR_fhir-test-cases__list-bad-syntax.json": "400 the body is not JSON: line 7, column 3",
    "malformed/FHIR_fhir-test-cases__list-contained-bad-2.json": "422 101 List.contained[0].link[0].type",
    "malformed/FHIR_fhir-test-cases__mcode-pat-bad.json": "400 the body is not JSON: line 4, column 1",
    "malformed/FHIR_fhir-test-cases__observation-xver-bad.json": "422 100 Observation.category",
    "malformed/FHIR_fhir-test-cases__observation-xver-bad2.json": "422 100 Observation.category",
    "malformed/FHIR_fhir-test-cases__patient-id-bad-1.json": "422 102 Patient.id",
    "malformed/FHIR_fhir-test-cases__patient-id-bad-2.json": "422 102 Patient.id",
    "malformed/FHIR_fhir-test-cases__patient-id-bad-3.json": "422 102 Patient.id",
    "malformed/FHIR_fhir-test-cases__qr-required-wrong.json": "400 the body is not JSON: line 11, column 9",
    "malformed/FHIR_fhir-test-cases__resource-invalid-id-1.json": "422 102 Location.id",
    "malformed/FHIR_fhir-test-cases__resource-invalid-id-2.json": "422 102 Location.id",
    "malformed/FHIR_fhir-test-cases__resource-invalid-id-3.json": "422 102 Location.contained[0].id",
    "malformed/microsoft_fhir-server__Bundle-TypeMissing.json": "422 101 Bundle.type",
    "malformed/microsoft_fhir-server__InvalidObservation.json": "422 100 Observation.text",
    "r4/CDCgov_phdi__BundleEcrMetadata.json": "422 100 Bundle.entry[0].resource.meta.source",
    "r4/CDCgov_phdi__BundlePatient.json": "422 100 Bundle.entry[0].resource.meta.source",
    "r4/CDCgov_phdi__BundlePatientDeceased.json": "422 100 Bundle.entry[0].resource.meta.source",
    "r4/CDCgov_phdi__BundlePatient__4c6ad57a.json": "422 100 Bundle.entry[0].resource.meta.source",
    "r4/CDCgov_phdi__BundleTravelHistory.json": "422 100 Bundle.entry[0].resource.meta.source",
    "r4/CDCgov_phdi__patient_bundle_census.json": "422 102 Bundle.entry[1].resource.identifier[0].system",
    "r4/CDCgov_phdi__patient_bundle_to_link_with_mpi.json": "422 102 Bundle.entry[6].request.url",
    "r4/CDCgov_phdi__patient_bundle_w_floats.json": "422 102 Bundle.entry[1].resource.identifier[0].system",
    "r4/CDCgov_phdi__sample_fhir_bundle_for_phdc_conversion.json": "422 100 Bundle.entry[5].resource.value",
    "r4/CDCgov_prime-simplereport__bundle.json": "422 101 Bundle.entry[1].resource.target",
    "r4/CDCgov_prime-simplereport__fhir-for-csv-with-flu-only.ndjson": "422 101 Bundle.entry[1].resource.target",
    "r4/CDCgov_prime-simplereport__test-results-upload-valid-as-fhir.json": "422 101 Bundle.entry[1].resource.target",
    "r4/microsoft_fhir-server__Bundle-TransactionWithConditionalUpdateAndReference.json": "422 101 Bundle.entry[1].resource.series[0].instance[0].sopClass",
    "r4/microsoft_fhir-server__Includes-TestResources.json": "422 100 Bundle.entry[30].resource.result",
    "r4/microsoft_fhir-server__SearchDataBatch.json": "422 100 Bundle.entry[1].resource.generalPractitioner",
    "r4/microsoft_fhir-server__SmartPatientA.json": "422 101 Bundle.entry[10].resource.participant[0].status",
    "r4/CDCgov_prime-simplereport__diagnosticReport.json": "422 102 DiagnosticReport.effectiveDateTime",
    "r4/HL7_US-Core__diagnosticreport-cbc.json": "422 101 DiagnosticReport.text.div",
    "r4/smart-on-fhir_cumulus-etl__DiagnosticReport.json": "422 102 DiagnosticReport.issued",
    "r4/smart-on-fhir_cumulus-etl__Immunization.occurrenceString.json": "422 101 Immunization.patient",
    "r4/smart-on-fhir_cumulus-etl__MedicationDispense.json": "422 100 MedicationDispense.receiver",
    "r4/smart-on-fhir_cumulus-etl__MedicationRequest.2.json": "422 101 MedicationRequest.subject",
    "r4/microsoft_fhir-server__ObservationWithBloodPressure.json": "422 100 Observation.interpretation",
    "r4/microsoft_fhir-server__ObservationWithNoCode.json": "422 101 Observation.code",
    "r4/microsoft_fhir-server__ObservationWithTemperature.json": "422 100 Observation.interpretation",
    "r4/CDCgov_phdi__sample_standardize_date_of_birth_request_data.json": "422 102 Patient.birthDate",
    "r4/hl7.fhir.r4.examples__Questionnaire-qs1.json": "422 101 Questionnaire.item[0].item[0].linkId",
    "r4/CDCgov_prime-simplereport__serviceRequest.json": "422 101 ServiceRequest.subject",
    "r4/microsoft_FHIR-Converter__LAB-ORU-2-expected.json": "422 101 Bundle.entry[1].resource.agent[0].who",
    "r4/microsoft_FHIR-Converter__VXU-V04-01-expected.json": "422 101 Bundle.entry[88].resource.content",
    "r5/microsoft_fhir-server__Bundle-ChainingSortAndSearchValidation.json": "422 100 Bundle.entry[5].resource.availability",
    "r5/microsoft_fhir-server__Bundle-TransactionWithReferenceInResourceBody.json": "422 100 Bundle.entry[3].resource.class",
    "r5/microsoft_fhir-server__Includes-TestResources.json": "422 100 Bundle.entry[30].resource.result",
    "r5/microsoft_fhir-server__SearchDataBatch.json": "422 100 Bundle.entry[1].resource.generalPractitioner",
    "r5/microsoft_fhir-server__Condition-For-Patient-f001.json": "422 100 Condition.evidence[0].concept",
    "r5/microsoft_fhir-server__Immunization.json": "422 101 Immunization.programEligibility[0].program",
}
"""Everything else is loaded. Most of these are drafts and fragments that their own servers refuse too."""

ACCEPTED: Final = {
    "FHIR_fhir-test-cases__attachment-with-wrong-size.json": "sizes and hashes of attachments are not looked at",
    "FHIR_fhir-test-cases__bad-display.json": "terminology",
    "FHIR_fhir-test-cases__bundle-conditional-reference-bad.json": "references",
    "FHIR_fhir-test-cases__bundle-document-versioned-references-bad.json": "references",
    "FHIR_fhir-test-cases__contained-canonical-bad-2.json": "references: a canonical that leads nowhere",
    "FHIR_fhir-test-cases__dr-bad-att-hash.json": "sizes and hashes of attachments are not looked at",
    "FHIR_fhir-test-cases__ext-ctxt-resource-bad.json": "profile: where an extension may stand",
    "FHIR_fhir-test-cases__fhirpath-bad.json": "invariant",
    "FHIR_fhir-test-cases__jv-patient-good.json": "labelled good: invalid only for a profile",
    "FHIR_fhir-test-cases__list-unknown-prop.json": "an unknown element is kept and not read (S-37)",
    "FHIR_fhir-test-cases__list-wrong-code.json": "terminology: a code outside a required value set",
    "FHIR_fhir-test-cases__list-wrong-order.json": "order has no meaning in JSON (R4 json.html)",
    "FHIR_fhir-test-cases__mycommunication.invalid.json": "profile",
    "FHIR_fhir-test-cases__obs-code-bad.json": "terminology",
    "FHIR_fhir-test-cases__pat-security-bad-string.json": "markup in a text is a text; templates escape",
    "FHIR_fhir-test-cases__pat-security-bad-xhtml.json": "narratives are not read",
    "FHIR_fhir-test-cases__q-enablewhen-me-wrong.json": "invariant",
    "FHIR_fhir-test-cases__questionnaireresponse-enablewhen-combination-stu3-disabled-invalid.json": "invariant: answers against the questionnaire",
    "FHIR_fhir-test-cases__questionnaireresponse-enablewhen-combination-stu3-enabled-invalid.json": "invariant: answers against the questionnaire",
    "FHIR_fhir-test-cases__resource-invalid-eid-0.json": "sound: its fault is in the XML twin",
    "FHIR_fhir-test-cases__resource-invalid-eid-1.json": "ids of elements are any text (R4 element.html#id)",
    "FHIR_fhir-test-cases__resource-invalid-id-0.json": "sound: the first of a series",
    "FHIR_fhir-test-cases__shc-bad-1.json": "terminology and the health card's profile",
    "FHIR_fhir-test-cases__xml-bad-entities.json": "narratives are not read",
    "microsoft_fhir-server__Bundle-BatchWithInvalidEleEnums.json": "unknown elements and terminology",
    "microsoft_fhir-server__Bundle-TransactionWithInvalidProcessingRecord.json": "invariant of transactions: we take none",
    "microsoft_fhir-server__Bundle-TransactionWithInvalidProcessingRoutes.json": "invariant of transactions: we take none",
    "microsoft_fhir-server__InvalidCompartmentDefinition.json": "invariant",
    "microsoft_fhir-server__InvalidCompartmentDefinition__2b514222.json": "invariant",
    "microsoft_fhir-server__ObservationWithInvalidDecimalSpecification.json": "sound: more digits than a float holds",
}
"""Labelled bad by their authors and loaded all the same: why."""

PRIMITIVES_OF: Final = {
    "base64_binary": "base64Binary",
    "date_time": "dateTime",
    "unsigned_int": "unsignedInt",
    **{
        kind: kind
        for kind in (
            "boolean",
            "canonical",
            "date",
            "decimal",
            "id",
            "integer",
            "markdown",
            "oid",
            "time",
            "uuid",
            "xhtml",
        )
    },
}
"""Google's names of the simple types, and FHIR's."""
