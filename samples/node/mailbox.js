// A binding plugin, in and out: a folder of letters, `bindings.node-mailbox`.
//
// The operation `create` puts a letter there, `list` tells which wait. As an input binding it gives
// each letter to the application, and keeps it until the application has taken it.
"use strict";

const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const { Delivery } = require("./delivery.js");
const { Inbox, clearDrafts, put } = require("./inbox.js");
const {
  Opened,
  Refusal,
  codeOf,
  componentOf,
  contract,
  needed,
  run,
  unary,
} = require("./serving.js");

const bindings = contract("bindings.proto");
// Letters are kept as they go over the wire.
const wire = bindings.services.InputBinding.service.Read;
const folders = new Opened();

// A component is opened by either contract, or by both.
const init = unary(async (request, component) => {
  const folder = needed(request, "folder", "where the letters are kept");
  await clearDrafts(path.join(folder, "drafts"));
  folders.set(component, folder);
  return {};
});

const ping = unary(async () => ({}));

function letters(folder) {
  return new Inbox(path.join(folder, "letters")).make();
}

async function invoke({ operation, data, metadata }, component) {
  const folder = folders.get(component);
  const inbox = await letters(folder);
  switch (operation) {
    case "create":
      await put(path.join(folder, "drafts"), [inbox], wire.responseSerialize({ data, metadata }));
      return {};
    case "list": {
      const names = JSON.stringify(await inbox.names());
      return { data: Buffer.from(names), content_type: "application/json" };
    }
    default: {
      const message = `operation \`${operation}\` is not one of create, list`;
      throw new Refusal(grpc.status.INVALID_ARGUMENT, message);
    }
  }
}

async function open(call) {
  const inbox = await letters(folders.get(componentOf(call)));
  return new Delivery(call, inbox, (name, content) => ({
    ...wire.responseDeserialize(content),
    message_id: name,
  }));
}

function read(call) {
  const delivery = open(call);
  delivery.catch((error) => call.emit("error", { code: codeOf(error), details: error.message }));
  call.on("data", (request) => {
    if (request.message_id) {
      const refused = Boolean(request.response_error);
      delivery.then((it) => it.acknowledge(request.message_id, refused), () => {});
    }
  });
  call.on("end", () => delivery.then((it) => it.end(), () => {}));
}

run("node-mailbox", bindings, {
  InputBinding: { Init: init, Read: read, Ping: ping },
  OutputBinding: {
    Init: init,
    Invoke: unary(invoke),
    ListOperations: unary(async () => ({ operations: ["create", "list"] })),
    Ping: ping,
  },
});
