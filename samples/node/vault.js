// A secret store plugin: the secrets of a file, `secretstores.node-vault`.
//
// A line is `name=value`, or `name.part=value` for a secret of several values. The file is read for
// each call, so that a changed secret is given at once.
"use strict";

const { readFile } = require("node:fs/promises");
const grpc = require("@grpc/grpc-js");
const { Opened, Refusal, contract, needed, run, unary } = require("./serving.js");

const files = new Opened();

// The values of each secret. An empty line and one that begins with # say nothing.
async function read(file) {
  const secrets = new Map();
  const lines = (await readFile(file, "utf8")).split("\n");
  for (const [index, line] of lines.entries()) {
    if (line === "" || line.startsWith("#")) {
      continue;
    }
    const equals = line.indexOf("=");
    if (equals < 0) {
      throw new Error(`${file}: line ${index + 1} is not name=value`);
    }
    const [secret, ...parts] = line.slice(0, equals).split(".");
    const values = secrets.get(secret) ?? {};
    values[parts.join(".") || secret] = line.slice(equals + 1);
    secrets.set(secret, values);
  }
  return secrets;
}

run("node-vault", contract("secretstore.proto"), {
  SecretStore: {
    Init: unary(async (request, component) => {
      const file = needed(request, "file", "the path of the file with the secrets");
      // A file that cannot be read is better known now.
      await read(file);
      files.set(component, file);
      return {};
    }),

    Features: unary(async () => ({ features: ["MULTIPLE_KEY_VALUES_PER_SECRET"] })),

    Ping: unary(async () => ({})),

    Get: unary(async ({ key }, component) => {
      const data = (await read(files.get(component))).get(key);
      if (data === undefined) {
        throw new Refusal(grpc.status.NOT_FOUND, `there is no secret \`${key}\``);
      }
      return { data };
    }),

    BulkGet: unary(async (_request, component) => {
      const secrets = await read(files.get(component));
      const data = [...secrets].map(([key, values]) => [key, { secrets: values }]);
      return { data: Object.fromEntries(data) };
    }),
  },
});
