// A consumer of finis' webhooks: what remains of the receiver on Pathors' page when finis stands before it. It is
// told of each session when it is over, once, and branches on what was said of it.
//
//   FINIS_SECRET=whsec_… JOURNAL=effects.ndjson PORT=8081 node consumer.mjs
//
// It needs Node 18 or later and nothing else. finis posts a notice again, under the same id, until it is answered
// with 2xx. So an effect and the id of its notice are stored together, in one write, before the answer: then the
// effect is there exactly once, whenever this process ends. With a database, that is one transaction with a unique
// key for the id.

import { createHmac, timingSafeEqual } from "node:crypto";
import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { createServer } from "node:http";

const { FINIS_SECRET, JOURNAL = "effects.ndjson", PORT = "0" } = process.env;
if (!FINIS_SECRET) {
  console.error("FINIS_SECRET is not set: it is the secret of the endpoint, whsec_…");
  process.exit(2);
}
const key = Buffer.from(FINIS_SECRET.replace(/^whsec_/, ""), "base64");
const TOLERANCE_S = 300;
const BODY_BYTES_MAX = 4 << 20;

// ---- Effects, one a line, each with the id of the notice that it is of.

const done = new Set();
const journal = openSync(JOURNAL, "a+");
{
  const bytes = readFileSync(JOURNAL);
  // What comes after the last line end was never answered for.
  const whole = bytes.lastIndexOf(0x0a) + 1;
  if (whole < bytes.length) {
    const repair = openSync(JOURNAL, "r+");
    ftruncateSync(repair, whole);
    fsyncSync(repair);
    closeSync(repair);
  }
  for (const line of bytes.subarray(0, whole).toString("utf8").split("\n")) {
    if (line) done.add(JSON.parse(line).id);
  }
}

function once(id, effect) {
  if (done.has(id)) return;
  writeSync(journal, `${JSON.stringify({ id, effect })}\n`);
  fsyncSync(journal);
  done.add(id);
}

// ---- What a notice means here.

function effectOf({ kind, record, changes, asset }) {
  switch (kind) {
    case "complete":
      return record.channel === "call"
        ? { table: "calls", call: record.session, outcome: record.fields.outcome, seconds: record.fields.call_duration_s }
        : { table: "chats", chat: record.session, messages: record.fields.messages_count };
    case "amended":
      return { table: "corrections", session: record.session, changes };
    case "stalled":
      return { table: "lost", session: record.session, missing: record.missing };
    case "asset":
      return { table: "downloads", session: record.session, from: asset.value };
    default:
      // A kind that is not known yet, or a session that was forgotten: nothing to do, and nothing to do again.
      return null;
  }
}

// ---- Who is asking (https://www.standardwebhooks.com).

function isSigned(headers, body) {
  const { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": signatures } = headers;
  if (!id || !time || !signatures || !/^\d{1,12}$/.test(time)) return false;
  if (Math.abs(Date.now() / 1000 - Number(time)) > TOLERANCE_S) return false;
  const expected = createHmac("sha256", key).update(`${id}.${time}.`).update(body).digest();
  // Several while a secret is changed for another.
  return signatures.split(" ").some((signature) => {
    const given = Buffer.from(signature.replace(/^v1,/, ""), "base64");
    return signature.startsWith("v1,") && given.length === expected.length && timingSafeEqual(given, expected);
  });
}

async function bodyOf(request) {
  const parts = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > BODY_BYTES_MAX) return null;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const server = createServer(async (request, response) => {
  const answer = (status) => response.writeHead(status).end();
  try {
    if (request.method !== "POST") return answer(405);
    // As it came: what is signed is bytes, and not what they mean.
    const body = await bodyOf(request);
    if (body === null) return answer(413);
    if (!isSigned(request.headers, body)) return answer(401);
    once(request.headers["webhook-id"], effectOf(JSON.parse(body.toString("utf8"))));
    return answer(204);
  } catch (error) {
    console.error(error.message);
    // Not stored, so not taken: it comes again.
    return answer(500);
  }
});

server.listen(Number(PORT), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
