/*
 * bench.h - the whole virtual bench: its devices, its doors, and what the parts share.
 *
 * main.c makes one from options; tests may make one in their own process and turn its loop themselves.
 */
#ifndef VIRTUAL_BENCH_H
#define VIRTUAL_BENCH_H

#include <openssl/ssl.h>
#include <stager/json.h>

#include "device.h"
#include "loop.h"

struct stg_error;
struct virt_mux;
struct virt_sysfs;
struct virt_control;
struct virt_usb_bus;
struct virt_keys;
struct virt_receiver;
struct virt_receiver_options;

struct virt_options {
	unsigned int iphones, ipads, androids;
	unsigned int unplugged;             /* so many of the devices are known but not plugged in */
	unsigned int slots;                 /* ports of the hubs; 0: as many as devices, in whole hubs of 16 */
	const char *usbmuxd_path;           /* NULL: no Unix socket */
	const char *usbmuxd_tcp;            /* "127.0.0.1:0"; NULL: no TCP */
	const char *control_path;
	const char *sysfs_dir;
	bool usb_vhci;                      /* devices appear on the kernel's virtual USB controller too */
	const char *scenario_path;
	const char *keys_dir;
	const char *activation_listen;      /* "127.0.0.1:0" by default */
	const struct virt_receiver_options *receiver;   /* NULL: no receiving server beside the devices */
	uint64_t seed;
	enum virt_pace pace;
	unsigned int time_scale;            /* divides every delay once more; 0 is 1 */
	bool fresh, mixed, line_closed, with_parent;
};

struct virt_bench {
	struct virt_options opt;
	struct virt_loop *loop;
	struct virt_random random;          /* what happens while running; identities have their own streams */
	bool line_open;
	char buid[37];
	SSL_CTX *tls;                       /* lockdown and services: tls.c */
	struct virt_keys *keys;
	struct virt_mux *mux;
	struct virt_sysfs *sysfs;           /* NULL without --sysfs */
	struct virt_usb_bus *usb;           /* NULL without --usb */
	struct virt_control *control;
	struct virt_device **devices;
	size_t n_devices, cap_devices;
	uint32_t next_device_id;
	unsigned int n_ports;
	unsigned int hub_addresses;         /* USB addresses below this belong to hubs */
	unsigned int last_address[64];      /* by bus */
	json_t *ready;                      /* the line on standard output: parts add what others must know */
	json_t *stats;                      /* counters of the whole bench */
	unsigned int open_conns, most_conns;
	unsigned int lose_next;             /* so many arrivals the mux will not notice, as usbmuxd in a storm */
	int lose_for;                       /* until the kernel has announced them so often again; -1: for ever */
	char activation_url[128];           /* of the virtual albert.apple.com; "" when there is none */
	void *activation_server;            /* activation_server.c's own */
	struct virt_receiver *receiver;     /* NULL without --receiver */
};

struct virt_bench *virt_bench_new(const struct virt_options *, struct stg_error *err);
void virt_bench_free(struct virt_bench *);   /* takes NULL */
/* Opens the doors, makes and plugs in the devices. */
bool virt_bench_start(struct virt_bench *, struct stg_error *err);
void virt_bench_count(struct virt_bench *, const char *what);   /* stats[what]++ */

/* A verb of the control socket. `args` are the words after the verb; what is put into `ret` is answered. */
typedef bool (*virt_verb_fn)(struct virt_bench *, const json_t *args, json_t *ret, struct stg_error *err);
void virt_control_add(struct virt_bench *, const char *verb, virt_verb_fn);

/* activation_server.c: the virtual activation server on loopback, answers only while bench->line_open. Fills
 * activation_url and ready["activation"]. Weak: a bench without it says so in the ready line by its absence. */
bool virt_activation_server_start(struct virt_bench *, const char *listen, struct stg_error *err) __attribute__((weak));
void virt_activation_server_stop(struct virt_bench *) __attribute__((weak));
/* receiver.c: `stager-bench receiver ARGS...`, the receiving server as a program of its own; returns the exit status. */
int virt_receiver_main(int argc, char **argv) __attribute__((weak));

#endif
