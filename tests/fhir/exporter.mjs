// Plays an EHR that exports, for tests/fhir/test_fhir_bulk_peers.py: the router of FHIR Works on AWS behind a token server of
// oidc-provider that verifies private_key_jwt. One JSON object in argv: {client, jwksUri, scope, resources, waits}.
// Prints {port}, ends with stdin. Of its own the shell has: HTTP, the storage behind the export, and its files.
import http from "node:http";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import zlib from "node:zlib";

process.env.AWS_REGION ??= "none";
const load = createRequire(path.join(process.env.CAREGATE_TEST_NODE, "package.json"));
const { generateServerlessRouter } = load("fhir-works-on-aws-routing");
const { UnauthorizedError, ResourceNotFoundError, stubs } = load("fhir-works-on-aws-interface");
const { default: Provider } = await import(pathToFileURL(load.resolve("oidc-provider")).href);
const told = JSON.parse(process.argv[2]);

const server = http.createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(origin, {
  clients: [{
    client_id: told.client, grant_types: ["client_credentials"], redirect_uris: [], response_types: [],
    token_endpoint_auth_method: "private_key_jwt", jwks_uri: told.jwksUri,
  }],
  clientAuthMethods: ["private_key_jwt"],
  enabledJWA: { clientAuthSigningAlgValues: ["RS384", "ES384"] },
  features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
  scopes: told.scope,
  fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined }),
});
const tokens = provider.callback();

const jobs = new Map();
const bulkDataAccess = {
  async initiateExport(request) {
    const id = String(jobs.size + 1);
    jobs.set(id, { request, waits: told.waits });
    return id;
  },
  async cancelExport(id) {
    jobs.delete(id);
  },
  async getExportStatus(id) {
    const job = jobs.get(id);
    if (!job) throw new ResourceNotFoundError("$export", id);
    const { since, type, outputFormat, exportType, groupId, transactionTime } = job.request;
    const common = { jobOwnerId: told.client, since, type, outputFormat, exportType, groupId, transactionTime };
    if (job.waits-- > 0) return { ...common, jobStatus: "in-progress" };
    const wanted = type ? type.split(",") : Object.keys(told.resources);
    const fresh = (one) => !since || one.meta.lastUpdated >= since;
    job.files = Object.fromEntries(wanted.map((kind) => [kind, (told.resources[kind] ?? []).filter(fresh)]));
    const listed = wanted.filter((kind) => job.files[kind].length);
    const exportedFileUrls = listed.map((kind) => ({ type: kind, url: `${origin}/files/${id}/${kind}.ndjson` }));
    return { ...common, jobStatus: "completed", requiresAccessToken: true, exportedFileUrls, errorArray: [] };
  },
};

const known = async (token) => token !== undefined && (await provider.ClientCredentials.find(token)) !== undefined;
const authorization = {
  async verifyAccessToken({ accessToken }) {
    if (!(await known(accessToken))) throw new UnauthorizedError("no token of ours");
    return { sub: told.client };
  },
  async isAccessBulkDataJobAllowed({ userIdentity, jobOwnerId }) {
    if (userIdentity.sub !== jobOwnerId) throw new UnauthorizedError("of somebody else");
  },
  async getAllowedResourceTypesForOperation() {
    return Object.keys(told.resources);
  },
};

const oauthPolicy = {
  authorizationEndpoint: `${origin}/auth`, tokenEndpoint: `${origin}/token`, capabilities: ["client-confidential-asymmetric"],
  tokenEndpointAuthMethodsSupported: ["private_key_jwt"], tokenEndpointAuthSigningAlgValuesSupported: ["RS384", "ES384"],
};
const router = generateServerlessRouter({
  configVersion: 1,
  productInfo: { orgName: "Lakeside" },
  auth: { strategy: { service: "SMART-on-FHIR", oauthPolicy }, authorization },
  server: { url: `${origin}/fhir` },
  validators: [],
  profile: {
    fhirVersion: "4.0.1", systemOperations: [], bulkDataAccess,
    bundle: stubs.bundle, systemSearch: stubs.search, systemHistory: stubs.history,
  },
}, []);

async function file(request, response) {
  const [scheme, token] = (request.headers.authorization ?? "").split(" ");
  const [, , id, name] = request.url.split("/");
  const found = jobs.get(id)?.files?.[name.replace(".ndjson", "")];
  if (scheme !== "Bearer" || !(await known(token))) return response.writeHead(401).end();
  if (!found) return response.writeHead(404).end();
  const body = found.map((one) => `${JSON.stringify(one)}\n`).join("");
  response.writeHead(200, { "content-type": "application/fhir+ndjson", "content-encoding": "gzip" });
  response.end(zlib.gzipSync(body));
}

server.on("request", (request, response) => {
  if (request.url.startsWith("/files/")) return file(request, response);
  if (!request.url.startsWith("/fhir/")) return tokens(request, response);
  request.url = request.url.slice("/fhir".length);
  router(request, response);
});

process.stdout.write(JSON.stringify({ port: server.address().port }) + "\n");
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
