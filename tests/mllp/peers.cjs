// Plays other people's MLLP programs for tests/mllp/test_peers.py. One JSON object in argv says what to do:
// {act: "send", library, port, messages, tls?} prints the acknowledgements it was given, as a JSON list;
// {act: "serve", library, ...} prints its port, then one JSON line per message it took, until stdin ends.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");
const load = createRequire(path.join(process.env.CAREGATE_TEST_NODE, "package.json"));
const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const told = JSON.parse(process.argv[2]);

const certificates = (tls) => tls && {
  ca: fs.readFileSync(tls.ca), cert: fs.readFileSync(tls.cert), key: fs.readFileSync(tls.key), servername: tls.name,
};

const senders = {
  async nodehl7({ port, messages, tls }) {
    const { MLLPClient } = load("nodehl7");
    const client = new MLLPClient("127.0.0.1", port, tls ? { tls: certificates(tls) } : undefined);
    client.on("error", () => {}); // an EventEmitter without a listener would end the process
    const answers = [];
    for (const message of messages) answers.push((await client.send(message)).toString());
    client.close();
    return answers;
  },
  async medplum({ port, messages, returnAck }) {
    const { Hl7Client } = load("@medplum/hl7");
    const { Hl7Message } = load("@medplum/core");
    const client = new Hl7Client({ host: "127.0.0.1", port, keepAlive: true });
    const answers = [];
    for (const message of messages) {
      answers.push((await client.sendAndWait(Hl7Message.parse(message), { returnAck, timeoutMs: 5000 })).toString());
    }
    await client.close();
    return answers;
  },
  async simple({ port, messages }) {
    const hl7 = load("simple-hl7");
    const client = hl7.Server.createTcpClient({ host: "127.0.0.1", port, keepalive: true, callback: () => {} });
    const parser = new hl7.Parser();
    const answers = [];
    for (const message of messages) {
      answers.push(await new Promise((resolve, reject) => {
        client.send(parser.parse(message), (error, ack) => (error ? reject(error) : resolve(ack.toString())));
      }));
    }
    client.close();
    return answers;
  },
};

const servers = {
  nodehl7({ tls }) { // takes everything and answers AA, in the order of receipt
    const { MLLPServer } = load("nodehl7");
    const options = tls ? { tls: { ...certificates(tls), requestCert: true, rejectUnauthorized: true } } : {};
    const server = new MLLPServer((message, reply) => {
      const id = message.toString().split("|")[9];
      say({ took: id });
      reply(`MSH|^~\\&|EHR|HOSP|GW|HOSP|20260301||ACK|N${id}|P|2.5.1\rMSA|AA|${id}\r`);
    }, options);
    server.on("error", () => {});
    server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));
  },
  faulty({ port }) { // node-hl7-server 2.5.0: the second message of a connection gets the first acknowledgement again
    const { Server } = load("node-hl7-server");
    new Server({ bindAddress: "127.0.0.1" }).createInbound({ port }, async (request, response) => {
      say({ took: request.getMessage().get("MSH.10").toString() });
      await response.sendResponse("AA");
    });
    say({ port });
  },
};

if (told.act === "send") {
  senders[told.library](told).then((answers) => { say(answers); process.exit(0); }, (error) => {
    process.stderr.write(`${error.code || error.name}\n`);
    process.exit(3);
  });
} else {
  servers[told.library](told);
  process.stdin.on("end", () => process.exit(0)).resume();
}
