/*
 * muxdoor.h - the process that shows each worker its one device and nothing else (decisions.md 3).
 *
 * One single-threaded process for all workers. It is forked from the nursery, calls stg_muxdoor_run() and never returns
 * to anything else. The station steers it over a stg_channel (message.h); each worker reaches it over a Unix socket of
 * its own in the usbmuxd protocol (prepare() of the driver gets "UNIX:" + that path).
 *
 * Station to door (the first message carries "v":1):
 *   {"t":"open","id":N,"path":"...","udid":"...","device_id":N,"product_id":N,"location_id":N,"record":base64 or absent,
 *    "buid":"...","pid":N}     makes the door N, or changes one that is open: device_id 0 = the device is away just now
 *                              (lists nothing, Connect is refused, what was open stays until the far side ends it);
 *                              an absent record = there is none; path may be absent when the door is open already
 *   {"t":"record","id":N,"record":base64 or absent}   the pair record the station holds now
 *   {"t":"close","id":N}       ends the door, cuts its connections, removes its socket
 * Door to station:
 *   {"t":"opened","id":N}  {"t":"closed","id":N}
 *   {"t":"failed","id":N,"error":{...}}            the socket could not be made
 *   {"t":"save","id":N,"udid":"...","record":base64}   the worker saved a record through the protocol; it is served at once,
 *                                                       keeping it is up to the station
 *   {"t":"forget","id":N,"udid":"..."}             the worker deleted it
 *   {"t":"refused","id":N,"what":"listen|device|peer|record|command"}   a worker tried what it may not: for the log
 *
 * The peer's pid must be the one given (SO_PEERCRED); pid 0 lets nobody in. The door ends when the channel closes, and
 * dies with its parent. It needs no file but its sockets, and works on while usbmuxd is away (Connect: Result 3).
 */
#ifndef STAGER_MUXDOOR_H
#define STAGER_MUXDOOR_H

/* Takes over `channel_fd`. `mux` is the real usbmuxd's address as stg_mux_address() gives it, read again for each
 * connection. Returns the exit status. */
int stg_muxdoor_run(int channel_fd, const char *mux);

#endif
