/*
 * worker.h - what the station and a worker say to each other, and the door into a worker process.
 *
 * A worker is a process freshly forked from the nursery: it talks to one device for one attach and then ends. It has no
 * database, no network and no private key of the station; all it may ask for is struct stg_host (host.h), and each of
 * those calls is one message over the channel. The station reads a worker's words as it reads a device's: with doubt.
 *
 * One channel (message.h), JSON objects, "t" is the kind. S = station, W = worker.
 *
 *   S  job       v, phase "intake" | "steps", arrival{}, mux "UNIX:/path" (sets USBMUXD_SOCKET_ADDRESS), job{} (stg_job_json; for "intake"
 *                the identity as far as known, the rest may be empty), pair bool (make one Pair attempt when there is no trust)
 *   W  who       identity{}, trust "none|ours|locked", facts{}, error{} (only when opening, identifying or pairing failed;
 *                what could be read is there all the same). Ends "intake": then the worker waits for one of
 *   S  steps     job{} with the pinned blueprint: same process, same connection, go on
 *   S  unpair    take the trust back            -> W unpaired  ok bool, error{}      (then S end)
 *   S  end       leave (also allowed at any time: the running step is finished, then the worker leaves "interrupted")
 *
 *   W  step_begin  n, key, step, attempt (from 1), asked{}, deadline_ms, destroys bool, together int (0: no limit)
 *                  Nothing has been sent to the device for this step. The station commits it and answers
 *   S  go                                       (late when too many devices are in a step with `together`)
 *   W  step_end    n, key, step, outcome, evidence{asked, acknowledged, reread}, error{} (unless it went well), took_ms,
 *                  next{...} (a whole step_begin of the following step, to be committed together; `go` answers it)
 *                  outcome: "done" "proven" "skipped" "failed" "interrupted" "unknown" "waiting". "proven" and "skipped" come
 *                  without a step_begin: nothing was sent. "unknown": it may have happened, the next attach re-reads.
 *                  "interrupted": begun, its effect is judged by re-reading when the device is back.
 *   W  person      ask ("trust" "unlock" "settings_profile" "replug" "charge" "enrol")      no answer
 *   W  progress    percent                                                          no answer
 *   W  ask         q (number), what "host_identity|keep_trust|supervisor|sign_challenge|relay|payload|erase_token|bulk|origin|file",
 *                unit (ECID as read in this attach), and:
 *                    keep_trust      udid, record (base64; "" = forget it)
 *                    sign_challenge  challenge (base64)
 *                    relay           http{method, url_path, content_type, headers{}, body (base64)}
 *                    payload         key (of the running step)
 *                    erase_token     key, identity{} as read in this attach, just now; foreign bool: supervised, and not by us
 *                    bulk            left (bytes still to be moved; 0: done): answered when it is this device's turn
 *                    file            key (of the running step)
 *   S  answer      q, and error{} when it is no; else for
 *                    host_identity   host_id, system_buid, root_certificate, host_certificate, root_key, host_key (PEM text)
 *                    supervisor      der (base64)
 *                    sign_challenge  cms (base64)
 *                    relay           http{status, content_type, headers{}, body (base64)}
 *                    payload         bytes (base64), identifier, uuid, version, sha256, certificate_sha256
 *                    bulk            bytes (may be moved before the next ask; 0 after left 0)
 *                    origin          origin{} as stg_store_origin() says it
 *                    file            about{} (the pinned row of the repository), and one descriptor, read only
 *   W  finished    end "staged|waiting|hold|failed|interrupted", why{code, id, origin, msg, step (key), wait, waits[]}, identity{}, facts{},
 *                  notes[] (steps that failed but may: {key, error{}}). The worker's last word; it exits after it.
 *                  why.wait: "line" "person" "charge" "registration"; why.waits: every {key, wait, id, msg}.
 *
 * An attach. A step after which the device re-enumerates (restart, erase) ends its worker: step_end "interrupted" or
 * "unknown", then finished "interrupted" with why.code "expect_return" and why.within_ms. The job continues with a new
 * worker on the next arrival; when none comes within that time the station says so (erase: hold). The new worker is told in
 * job.proven what was done and in job.begun what was begun: steps are skipped because the device shows their effect, never
 * because the journal says so; an erase that was begun is never sent again, only judged.
 *
 * Deadlines. The station keeps one deadline per worker and kills (SIGKILL) beyond it: STG_WORKER_INTAKE_MS from `job`,
 * STG_WORKER_LOOK_MS from `steps` and from each step_end without `next`, deadline_ms from the `go` of a step_begin (it holds the
 * step's own timeout and the readings around it). Waiting for `go`, for `steps` or for an answer is not the worker's time.
 *
 * End of the channel = the station is gone: the worker leaves at once, without another word to the device.
 */
#ifndef STAGER_WORKER_H
#define STAGER_WORKER_H

#include <stager/arrival.h>
#include <stager/job.h>

#define STG_WORKER_INTAKE_MS 180000   /* opening, reading, and a person tapping Trust (STG_WORKER_TAP_MS) */
#define STG_WORKER_LOOK_MS 60000      /* readings between two steps */
#define STG_WORKER_TAP_MS 120000      /* how long one wait for a person lasts */
#define STG_WORKER_RETURN_MS 600000   /* an erased device is back by then */

/* Runs a worker on this channel until it ends; returns the exit status (0: said "finished" or was told to leave). Takes
 * the descriptor. Call in a process made for it: it sets signals, limits, the environment and the sandbox. */
int stg_worker_main(int channel_fd);
/* The same loop without process setup and sandbox, with this driver (NULL: the one that claims the arrival): for tests, in
 * a child process of theirs. */
struct stg_driver;
int stg_worker_serve(int channel_fd, const struct stg_driver *driver);
/* stg_worker_main() with this driver: for the test of the sandbox. */
int stg_worker_boxed(int channel_fd, const struct stg_driver *driver);

/* Values as they travel in messages. The objects a job points to are shared (new references); clear gives them back. */
json_t *stg_job_json(const struct stg_job *j);
bool stg_job_from_json(const json_t *o, struct stg_job *ret, struct stg_error *err);
void stg_job_clear(struct stg_job *j);
/* What the journal's rows of this job (stg_store_steps) say to the next worker: new references to `proven` and `begun`. */
void stg_job_hints(const json_t *step_rows, json_t **ret_proven, json_t **ret_begun);
json_t *stg_arrival_json(const struct stg_arrival *a);
bool stg_arrival_from_json(const json_t *o, struct stg_arrival *ret, struct stg_error *err);

#endif
