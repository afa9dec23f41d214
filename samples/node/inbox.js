// Messages that wait on disk, one file each, until they are acknowledged.
//
// A message is there as a whole or not at all, whatever kills the process: it is written elsewhere,
// synced, and then linked to where it is looked for. Names sort by age.
"use strict";

const fs = require("node:fs");
const { link, mkdir, open, readFile, readdir, rm, stat, unlink } = require("node:fs/promises");
const path = require("node:path");

// Before a draft is thrown away as one that a kill has cut off.
const DRAFT_AGE_MILLISECONDS = 60_000;

let written = 0;

// A folder of waiting messages.
class Inbox {
  constructor(folder) {
    this.folder = folder;
  }

  async make() {
    await mkdir(this.folder, { recursive: true });
    return this;
  }

  // What waits, the oldest first.
  async names() {
    return (await readdir(this.folder)).sort();
  }

  // A message; null where it has been acknowledged meanwhile.
  async read(name) {
    return unlessMissing(readFile(path.join(this.folder, name)));
  }

  // Forgets an acknowledged message. The name comes over the wire; it names a file here and
  // nothing else.
  async remove(name) {
    await rm(path.join(this.folder, path.basename(name)), { force: true });
  }

  // Calls `news` whenever a message comes or goes, whoever puts it there.
  watch(news) {
    return fs.watch(this.folder, news);
  }

  async take(draft, name) {
    await link(draft, path.join(this.folder, name));
    const folder = await open(this.folder);
    await folder.sync().finally(() => folder.close());
  }
}

// Puts a message into inboxes, on disk when it returns. `drafts` is on the same file system.
async function put(drafts, inboxes, message) {
  await mkdir(drafts, { recursive: true });
  const [time, number] = [String(Date.now()).padStart(15, "0"), String(written++).padStart(9, "0")];
  const name = `${time}-${number}-${process.pid}`;
  const draft = path.join(drafts, name);
  const file = await open(draft, "wx");
  try {
    await file.writeFile(message);
    await file.sync();
  } finally {
    await file.close();
  }
  for (const inbox of inboxes) {
    await inbox.take(draft, name);
  }
  await unlink(draft);
}

// Throws away what killed processes have left unfinished; nobody was told that it is there.
async function clearDrafts(drafts) {
  for (const name of (await unlessMissing(readdir(drafts))) ?? []) {
    const draft = path.join(drafts, name);
    const found = await unlessMissing(stat(draft));
    if (found && Date.now() - found.mtimeMs > DRAFT_AGE_MILLISECONDS) {
      await rm(draft, { force: true });
    }
  }
}

async function unlessMissing(wanted) {
  try {
    return await wanted;
  } catch (error) {
    if (error.code === "ENOENT") {
      return null;
    }
    throw error;
  }
}

module.exports = { Inbox, clearDrafts, put, unlessMissing };
