/*
 * station_i.h - what the files of this room share: the live station, its slots and its workers.
 *
 * Everything here belongs to the main loop's thread. Tasks on other threads carry the attach epoch of a slot, never a
 * pointer: when they come back the slot is looked up again, and may have gone.
 */
#ifndef STATION_I_H
#define STATION_I_H

#include <sys/types.h>
#include <systemd/sd-event.h>

#include <stager/arrival.h>
#include <stager/job.h>
#include <stager/log.h>
#include <stager/message.h>
#include <stager/op.h>
#include <stager/station.h>
#include <stager/step.h>
#include <stager/topology.h>
#include <stager/watch.h>

#include "queue.h"

struct stg_nursery {
	pid_t pid;
	struct stg_channel *channel;
};

/* Where one attached device stands. */
enum slot_state {
	SLOT_LISTED,     /* seen, not touched: no batch wants its port, or another family */
	SLOT_QUEUED,     /* will be looked at when a worker is free */
	SLOT_INTAKE,     /* a worker asks who it is */
	SLOT_DECIDING,   /* the recorder looks for its job */
	SLOT_STEPS,      /* the worker carries out the blueprint */
	SLOT_LEAVING,    /* the worker was told to end (unpair, rest) */
	SLOT_RESTING,    /* nothing more to do on this attach, for now */
};

struct worker {
	unsigned int ref;
	pid_t pid;                       /* 0 until the nursery has answered */
	struct stg_channel *channel;
	sd_event_source *io, *deadline;
	char mux[128];                   /* its private door */
	bool job_sent, finished, killed_for_deadline, kill_wanted, exited;
	/* the running step */
	int n;
	char key[96], step[32];
	const struct stg_step *what;
	json_t *begin;                   /* the step_begin that waits for its turn, NULL once it went */
	bool on_disk, holds_turn;
	bool token_used;
	unsigned int challenges;         /* signed in this step: one, and one repeat after a refused signature */
	int64_t deadline_ms;
	int64_t bulk_q, spare_ms;        /* its question for a turn on the cable; of the deadline when that question came */
};

struct slot {
	struct slot *next;
	struct stg_arrival arrival;
	enum slot_state state;
	struct worker *worker;
	struct stg_identity identity;
	json_t *facts;
	char trust[16];
	bool paired_here;                /* this attach's intake made the trust */
	bool org_asked, org_found;       /* whose.c: the inventory was asked whose device this is; it knew */
	char org[65];                    /* "" the default organisation */
	json_t *order;                   /* an explicit `stage` of a person: {"blueprint","profiles","actor"} */
	bool order_spent;                /* what came of it is said: it counts again only when a person asks anew */
	int64_t job;
	json_t *job_row;                 /* as the store gave it, with the pinned blueprint */
	char batch[64], label[32];
	bool again;                      /* look at it once more when the worker has ended */
	unsigned int starts;             /* workers it was given on this attach */
	unsigned int crashes;
	int usb_address;                 /* boot.c, place.c: of this plug; 0 not known */
	bool placed_late;                /* announced before the kernel showed one of that name */
	char claims[STG_UDID_MAX];       /* place.c: the UDID it says, which is another's; arrival.udid is empty then */
	/* a step begun on disk and not ended: whoever ends the job ends it too */
	char open_key[96];
	int open_n;
	bool open_destroys;
	/* what the board shows */
	char word[24];                   /* listed queued looking working person waiting staged hold failed unexpected interrupted locked */
	char wait[16];
	unsigned int why_id;
	char why_msg[240], step[32], ask[24];
	int step_n, step_of, percent;
	int64_t since_ms, step_since_ms, step_deadline_ms;
};

#define BUID_SIZE 40         /* a UUID in text */

/* What the main loop knows of the database without asking: reloaded after every operation that changes it. */
/* An organisation with its sealed keys. */
struct cache_org {
	json_t *row;
	struct stg_buf sealed;
};

struct cache {
	json_t *ports;                   /* [{"port","label","allowed"}] */
	json_t *batches;                 /* started ones, with "ports" of their pins */
	struct cache_org *orgs;          /* all there are */
	size_t n_orgs;
	json_t *settings;                /* activation_url, ... */
	struct stg_window window;
	char buid[BUID_SIZE];
};

struct client {
	struct client *next;
	struct stg_station *station;
	struct stg_channel *channel;
	sd_event_source *io;
	char actor[128];
	bool greeted, events, gone;
	unsigned int calls;              /* answers still owed */
};

struct stg_station {
	struct stg_station_setup setup;
	char state_dir[512], socket[512], run_dir[512], activation_url[256];
	bool rehearsal, stopping, settled, no_erase;
	sd_event *loop;
	struct stg_nursery *nursery;
	sd_event_source *nursery_io, *listen_io, *watch_io, *muxdoor_io, *topology_io;
	sd_event_source *recorder_io, *maker_io, *pool_io, *relay_io, *outside_io, *settle_timer, *tick, *watchdog, *window_timer;
	bool line_open;                  /* as told last */
	struct stg_store *store;
	struct stg_keys *keys;
	struct queue *recorder, *maker, *pool, *relay, *outside;
	struct stg_watch *watch;
	struct stg_topology *topology;
	bool mux_up;
	struct stg_channel *muxdoor;
	pid_t muxdoor_pid;
	int lock_dir_fd;
	struct slot *slots;
	json_t *orders;                  /* slots.c: of devices that were pulled, by UDID */
	struct client *clients;
	struct cache cache;
	sd_event_source *start_timer;    /* the next worker's time to start has come */
	uint64_t next_start_us;
	int64_t relisted_ms;             /* when the whole tree was read for one that it did not show */
	struct unlisted *unlisted;       /* plugged in, not listed by usbmuxd */
	sd_event_source *unlisted_timer;
	int64_t listed_ms, came_ms;      /* when usbmuxd listed one last, when one came that it had not listed */
	int64_t answered_ms;             /* when a question was begun that usbmuxd answered */
	bool asking_mux;
	uint64_t next_attach;
	unsigned int next_ref, busy_workers;
	unsigned int filling_pool;       /* keys under way */
	bool pool_ready, reloading, reload_again;
	int64_t worker_cpu_us, door_cpu_us, worker_rss_kib;  /* for `make bench` */
	struct push_thread *push;
	struct refresh *refresh;
	json_t *bus_told;                /* what those who watch heard of the hubs last */
	sd_event_source *bus_timer;
	int64_t learning_until_ms;       /* somebody walks a device over the sockets: nothing new is touched until then */
	struct bulk *bulk;
	sd_event_source *bulk_timer;
	int64_t started_ms, line_due_ms;
	int exit_status;
};

/* nursery.c */
int nursery_spawn(struct stg_nursery *n, const char *kind, const char *ref, int lock, struct stg_error *err);
void nursery_kill(struct stg_nursery *n, pid_t pid);

/* slots.c: what is plugged in, and what the station wants of it */
struct slot *slot_by_attach(struct stg_station *s, uint64_t attach);
struct slot *slot_by_udid(struct stg_station *s, const char *udid);    /* one that shows its system: boot.c has the others */
struct slot *slot_by_handle(struct stg_station *s, uint32_t handle);   /* usbmuxd's DeviceID */
/* `address`: of this plug on its bus, 0 not known. */
void slots_arrived(struct stg_station *s, const struct stg_arrival *a, int address);
/* Says the UDID of one that is there: shown, never worked on. The one that was there first stays as it is. */
void slots_twin(struct stg_station *s, const struct stg_arrival *a, int address);
void slots_left(struct stg_station *s, const char *udid);
/* A device that only the kernel knows: shown, never worked on. usbmuxd's word replaces it. */
struct slot *slots_unlisted(struct stg_station *s, const struct stg_arrival *a);
void slot_left(struct stg_station *s, struct slot *slot);
void slots_free(struct stg_station *s);
/* Something changed that may give a resting device work: ports, batches, orders, the line. */
void slots_reconsider(struct stg_station *s);
/* usbmuxd was quicker than the kernel's tree, which shows now where it is. slots_serve() afterwards. */
void slot_placed(struct stg_station *s, struct slot *slot, const struct stg_usb_device *d);
/* The same for this one alone; slots_serve() afterwards. */
void slot_reconsider(struct stg_station *s, struct slot *slot);
/* The explicit order that counts now, NULL: none. Borrowed. */
json_t *slot_order(const struct slot *slot);
/* An operation has taken up the job of an order that was spent, or cancelled it: that slot alone may run again, or not any more.
 * slots_reconsider() afterwards. */
void slots_asked_anew(struct stg_station *s, const char *op, const json_t *ret);
void slots_retry_line(struct stg_station *s);
/* A canary has ended: what waits for its kind is looked at again. */
void slots_retry_canaries(struct stg_station *s);
/* Starts workers for queued slots while there is room; fair between ports. */
void slots_serve(struct stg_station *s);
void slot_word(struct stg_station *s, struct slot *slot, const char *word);
void slot_why(struct slot *slot, unsigned int id, const char *msg);
json_t *slot_json(const struct slot *slot);
const char *port_label(const struct stg_station *s, const char *port);
bool port_allowed(const struct stg_station *s, const char *port);
json_t *batch_on_port(const struct stg_station *s, const char *port);   /* borrowed: a started batch this port belongs to */
void slot_rest(struct stg_station *s, struct slot *slot);

/* workers.c: the talk with one worker */
bool worker_start(struct stg_station *s, struct slot *slot, struct stg_error *err);
void worker_gone(struct stg_station *s, struct slot *slot);
void worker_end(struct stg_station *s, struct slot *slot);      /* asks it to leave */
void worker_kill(struct stg_station *s, struct slot *slot);
void worker_free(struct stg_station *s, struct slot *slot);
bool worker_tell(struct slot *slot, json_t *m /* taken */);
bool worker_tell_file(struct slot *slot, json_t *m /* taken */, int fd /* not taken; -1: none */);
void worker_unpair(struct stg_station *s, struct slot *slot);
void worker_steps(struct stg_station *s, struct slot *slot);    /* job_row is set: begin */
/* The deadline stands still while the worker waits for others. */
void worker_clock_off(struct stg_station *s, struct slot *slot);
void worker_clock_on(struct stg_station *s, struct slot *slot);
void worker_door_ready(struct stg_station *s, struct slot *slot);
void workers_spawned(struct stg_station *s, const json_t *m);
void workers_exited(struct stg_station *s, const json_t *m);
void workers_last_words(struct stg_station *s, struct slot *slot);
void workers_turns(struct stg_station *s);                      /* a step of a capped kind ended: let the next one in */

/* place.c: usbmuxd's word against the kernel's tree */
void place_arrived(struct stg_station *s, const struct stg_arrival *a);
/* Whether the kernel's tree can bear witness: one that it does not show is not plugged in. */
bool place_tells(const struct stg_station *s);
/* A device that usbmuxd lists stands there, whatever it calls itself. */
bool place_is_taken(const struct stg_station *s, const struct stg_usb_device *d);

/* unlisted.c: what usbmuxd missed. Something may have changed; also rings by itself. */
void unlisted_look(struct stg_station *s);
void unlisted_free(struct stg_station *s);

/* intake.c: whose is it, which job */
/* `why` is what went wrong while asking, NULL: nothing. */
void intake_decide(struct stg_station *s, struct slot *slot, const struct stg_error *why);

/* finish.c: how a job ends */
void job_ended(struct stg_station *s, struct slot *slot, const json_t *finished);
void jobs_look(struct stg_station *s);                           /* a delivery has moved: has a job that waited for it ended? */
void job_orphaned(struct stg_station *s, int64_t job);           /* its device went before its first step */
void job_lost(struct stg_station *s, struct slot *slot, enum stg_id id, const char *msg);

/* asks.c: what a worker may ask for */
void ask_handle(struct stg_station *s, struct slot *slot, const json_t *m);
void ask_answer(struct slot *slot, const json_t *ask, json_t *ok_fields /* taken, NULL on failure */, const struct stg_error *err);
void ask_answer_file(struct slot *slot, const json_t *ask, json_t *ok_fields /* taken */, int fd /* not taken */);
json_t *job_values(const struct stg_station *s, const struct slot *slot);

/* station.c: takes in what the topology shows now */
void topology_heard(struct stg_station *s);

/* boot.c: recovery, DFU, restore */
bool boot_mode(enum stg_mode mode);
void boot_seen(struct stg_station *s, const struct stg_usb_device *d);
void known_look(struct stg_station *s, const struct slot *slot);   /* known.c; the answer comes later, as an event of the slot */
void boot_gone(struct stg_station *s, const struct stg_usb_device *d);

/* busline.c */
void bus_changed(struct stg_station *s);

/* bulkask.c: turns on a shared cable */
void bulk_asked(struct stg_station *s, struct slot *slot, const json_t *m);
void bulk_left(struct stg_station *s, const struct worker *w);
void bulk_serve(struct stg_station *s);

/* share.c: a pair step with keep_trust has ended well */
void trust_share(struct stg_station *s, const struct slot *slot);

/* payload.c: profiles and certificates for one device */
void payload_ask(struct stg_station *s, struct slot *slot, const json_t *m);
void payload_installed(struct stg_station *s, int64_t job, bool proven);

/* files.c: an app or a document of the repository, opened for a worker */
void file_ask(struct stg_station *s, struct slot *slot, const json_t *m);

/* escrow.c: tokens in and out */
void escrow_ask(struct stg_station *s, struct slot *slot, const json_t *m);

/* names.c: one device's within its batch. False: not asked for, the caller answers. */
bool name_ask(struct stg_station *s, struct slot *slot, const json_t *m, struct stg_error *err);

/* whose.c */
/* A worker asks for the supervisor before it has a job: answered when the inventory has said whose device this is. False: it
 * need not be asked. */
bool whose_ask(struct stg_station *s, struct slot *slot, const json_t *m);
/* asks.c: the answer itself */
bool supervisor_answer(struct stg_station *s, struct slot *slot, const json_t *m, struct stg_error *err);

/* muxdoor.c */
bool door_start(struct stg_station *s, struct stg_error *err);
bool door_open(struct stg_station *s, struct slot *slot, const struct stg_secret *record, struct stg_error *err);
void door_close(struct stg_station *s, const struct worker *w);
void door_record(struct stg_station *s, const struct worker *w, const struct stg_secret *record);

/* pool.c: host identities and leaf keys made in idle time */
void pool_fill(struct stg_station *s);
unsigned int pool_threads(void);
/* CPU spent on keys so far, of this process. Any thread. */
int64_t pool_cpu_us(void);
bool pool_take_leaf_key(struct stg_secret *ret);

/* socket.c: stager.sock */
bool socket_listen(struct stg_station *s, struct stg_error *err);
void socket_close(struct stg_station *s);
void socket_event(struct stg_station *s, json_t *event /* taken */);
void event_slot(struct stg_station *s, const struct slot *slot);

/* cache.c */
bool cache_load(struct stg_store *store, struct cache *c, struct stg_error *err);   /* recorder's thread */
void cache_use(struct stg_station *s, struct cache *fresh /* emptied */);
void cache_reload(struct stg_station *s);
bool cache_load_now(struct stg_station *s, struct stg_error *err);
void cache_clear(struct cache *c);
/* Whose device is this? The organisation its blueprint names; before there is a job, what the inventory knows (whose.c), else the
 * one of the batch on its port; else the default one. NULL: there is none of that name, or none at all. */
const struct cache_org *slot_org(const struct stg_station *s, const struct slot *slot);

/* window.c: the line */
bool window_open(const struct stg_station *s);
/* What the cache says of the line may have changed: the timer for its hour, the push thread, those who watch. */
void window_changed(struct stg_station *s);

/* pushing.c: the push thread */
bool pushing_start(struct stg_station *s, struct stg_error *err);
void pushing_stop(struct stg_station *s);
void pushing_wake(struct stg_station *s);
void pushing_line(struct stg_station *s, bool open);
void pushing_now(struct stg_station *s, const char *target);    /* "" = all: a person asked */

/* refresh.c: enrolment profiles fetched anew */
bool refresh_start(struct stg_station *s, struct stg_error *err);
void refresh_line(struct stg_station *s);         /* the line opened or closed */
void refresh_stop(struct stg_station *s);

/* ending.c */
void station_stop(struct stg_station *s, bool now);
void station_stop_if_idle(struct stg_station *s);
/* [{"port","label","serial","step","seconds","erasing"}] */
json_t *station_running(const struct stg_station *s);

#endif
