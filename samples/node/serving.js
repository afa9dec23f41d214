// What every plugin has: the contract, the socket and its folder, reflection, a clean stop.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");
const { ReflectionService } = require("@grpc/reflection");

const PROTO = path.join(__dirname, "../../proto");
const DEFAULT_SOCKET_FOLDER = "/tmp/dapr-components-sockets";
// Calls under way when SIGTERM comes get this long.
const STOP_GRACE_MILLISECONDS = 2000;
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

// The contract's services of one .proto file, by their names.
function contract(file) {
  const definition = loader.loadSync(`dapr/proto/components/v1/${file}`, {
    includeDirs: [PROTO],
    keepCase: true,
    longs: String,
    defaults: true,
  });
  const services = grpc.loadPackageDefinition(definition).dapr.proto.components.v1;
  return { definition, services };
}

// Serves on `<folder>/<name>.sock` until it is told to stop. The name of the socket is that of the
// component type: `pubsub.<name>` and so on. By reflection the runtime finds the services.
function run(name, { definition, services }, implementations) {
  const server = new grpc.Server({ "grpc.max_receive_message_length": MAX_MESSAGE_BYTES });
  for (const [service, implementation] of Object.entries(implementations)) {
    server.addService(services[service].service, implementation);
  }
  const listed = Object.keys(implementations).map((name) => `dapr.proto.components.v1.${name}`);
  new ReflectionService(definition, { services: listed }).addToServer(server);

  const socket = socketPath(name);
  server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), (error) => {
    if (error) {
      console.error(`cannot serve on ${socket}: ${error.message}`);
      process.exit(1);
    }
    console.error(`INFO serving on ${socket}`);
  });

  const stop = () => {
    console.error("INFO stopping");
    server.tryShutdown(() => process.exit(0));
    setTimeout(() => server.forceShutdown(), STOP_GRACE_MILLISECONDS);
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
}

// Where the runtime looks for this plugin, free of what an earlier process has left there.
function socketPath(name) {
  const folder = process.env.DAPR_COMPONENTS_SOCKETS_FOLDER || DEFAULT_SOCKET_FOLDER;
  fs.mkdirSync(folder, { recursive: true });
  const socket = path.join(folder, `${name}.sock`);
  fs.rmSync(socket, { force: true });
  return socket;
}

// An error that the caller gets with this code.
class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// A handler from a function that takes the request and the component's name.
function unary(answer) {
  return (call, callback) => {
    answer(call.request, componentOf(call)).then(
      (response) => callback(null, response),
      (error) => callback({ code: codeOf(error), details: error.message }),
    );
  };
}

// The gRPC code; errors of the file system have codes of their own, which are texts.
function codeOf(error) {
  return Number.isInteger(error.code) ? error.code : grpc.status.INTERNAL;
}

// The component that the call is for; empty where the caller names none.
function componentOf(call) {
  return String(call.metadata.get("x-component-instance")[0] ?? "");
}

// What each component has opened with its Init, which may come again.
class Opened {
  #values = new Map();

  set(component, value) {
    this.#values.set(component, value);
  }

  get(component) {
    const value = this.#values.get(component);
    if (value === undefined) {
      const message = `component \`${component}\` has not been initialised`;
      throw new Refusal(grpc.status.FAILED_PRECONDITION, message);
    }
    return value;
  }
}

// A metadata field of the component that has to be there.
function needed(request, field, what) {
  const value = request.metadata?.properties[field];
  if (!value) {
    const message = `metadata \`${field}\` is missing: ${what}`;
    throw new Refusal(grpc.status.INVALID_ARGUMENT, message);
  }
  return value;
}

module.exports = { Opened, Refusal, codeOf, componentOf, contract, needed, run, unary };
