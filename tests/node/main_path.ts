// Adds, invites, undoes and lists by the generated client. SERVER, TOKEN: where, and as whom.
import assert from "node:assert/strict";
import {
  addCandidate,
  inviteCandidate,
  listCandidates,
  readCandidate,
  readCandidateHistory,
  readEvents,
  rejectCandidate,
  undoDecision,
} from "./client";
import { RejectionReason, Status } from "./client.schemas";

const { SERVER, TOKEN } = process.env;
const plain = globalThis.fetch;
globalThis.fetch = (path, options) => {
  const headers = new Headers(options?.headers);
  headers.set("Authorization", `Bearer ${TOKEN}`);
  return plain(new URL(String(path), SERVER), { ...options, headers });
};

/** The answer, which has to have this status. */
function having<Answer extends { status: number }, Code extends Answer["status"]>(
  answer: Answer,
  status: Code,
): Extract<Answer, { status: Code }> {
  assert.equal(answer.status, status, JSON.stringify(answer));
  return answer as Extract<Answer, { status: Code }>;
}

async function main(): Promise<void> {
  const key = { headers: { "Idempotency-Key": "ann" } };
  const body = { profile: { name: "Ann Muñoz" }, score: 80 };
  const added = having(await addCandidate(body, {}, key), 201);
  assert.equal(added.data.status, Status.ADDED);
  assert.deepEqual(having(await addCandidate(body, {}, key), 201).data, added.data);
  const ann = added.data.id;

  const read = having(await readCandidate(ann), 200);
  assert.equal(read.data.rejection_reason, "");
  const ifMatch = { headers: { "If-Match": read.headers.get("ETag") ?? "" } };
  const invited = having(await inviteCandidate(ann, {}, ifMatch), 200);
  const stale = having(await inviteCandidate(ann, {}, ifMatch), 412);
  assert.equal(stale.data.current_version, invited.data.version);
  const refused = having(await inviteCandidate(ann, {}), 409);
  assert.deepEqual(refused.data.allowed_statuses, [Status.ADDED, Status.STANDBY]);

  const rejected = having(await rejectCandidate(ann, { reason: RejectionReason.withdrew }), 200);
  const undone = having(await undoDecision(ann, { version: rejected.data.version }), 200);
  assert.equal(undone.data.status, Status.INVITED);

  const listed = having(await listCandidates({ status: Status.INVITED, page_size: 1 }), 200);
  assert.deepEqual(listed.data.results.map((one) => one.id), [ann]);

  const history = having(await readCandidateHistory(ann), 200);
  const reasons = history.data.results.flatMap((event) =>
    event.event_type === "candidate.rejected" ? [event.data.reason] : [],
  );
  assert.deepEqual(reasons, [RejectionReason.withdrew]);
  const feed = having(await readEvents({ types: ["candidate.invited"] }), 200);
  const scores = feed.data.results.flatMap((event) =>
    event.type === "candidate.invited" ? [event.data.event.score] : [],
  );
  assert.deepEqual(scores, [80]);
  console.log("added, invited, undone, listed");
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
