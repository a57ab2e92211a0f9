/*
 * stream.h - one accepted socket: bytes in, bytes out, with or without TLS, never blocking.
 *
 * Mux clients, lockdown, services, the control socket and the bench's HTTP servers all sit on one. The owner embeds
 * the struct, gives its operations at open, and frees itself in closed(). No operation is called from inside
 * virt_stream_send() or virt_stream_finish(): what they cause comes from the loop later.
 */
#ifndef VIRTUAL_STREAM_H
#define VIRTUAL_STREAM_H

#include <openssl/ssl.h>
#include <stager/bytes.h>

#include "loop.h"

struct virt_stream;

struct virt_stream_ops {
	/* Something arrived. Returns how much was taken; is called again while it takes some and is not paused. What is
	 * left stays and comes again together with the next bytes. Required. */
	size_t (*bytes)(struct virt_stream *, struct stg_bytes);
	/* The TLS handshake is done. Optional. */
	void (*secured)(struct virt_stream *);
	/* TLS was ended by virt_stream_plain() and the other side agreed; plain bytes follow. Optional. */
	void (*plained)(struct virt_stream *);
	/* The other side went, TLS failed, or what was queued before virt_stream_finish() is out. The last call; the
	 * descriptor is closed already. Required. */
	void (*closed)(struct virt_stream *);
};

enum virt_stream_state { VIRT_STREAM_PLAIN, VIRT_STREAM_HANDSHAKE, VIRT_STREAM_TLS, VIRT_STREAM_LEAVING_TLS, VIRT_STREAM_DEAD };

struct virt_stream {
	const struct virt_stream_ops *ops;
	struct virt_loop *loop;
	struct virt_watch watch;
	struct virt_timer soon;         /* what must not happen inside the caller */
	int fd;
	SSL *ssl;
	enum virt_stream_state state;
	bool paused, finishing, told;
	bool tls_after_flush;           /* virt_stream_secure(): once the plain answer is out */
	bool plain_after_flush;         /* virt_stream_plain(): once the last TLS answer is out */
	bool mute;                      /* fault: reads and throws away, writes nothing */
	bool deaf;                      /* fault: reads and throws away, and goes on writing */
	int64_t cut_after_bytes;        /* fault: closes after so many more bytes went out; -1: never */
	struct stg_buf in, out;
	size_t out_sent;
};

/* Takes fd over and makes it non-blocking. */
void virt_stream_open(struct virt_stream *, struct virt_loop *, int fd, const struct virt_stream_ops *);
/* Moves the socket with everything unread and unsent to a new owner; `from` is then as after virt_stream_cut(). */
void virt_stream_adopt(struct virt_stream *to, struct virt_stream *from, const struct virt_stream_ops *);
/* Queues. After the ceiling of 64 MiB the stream is closed: the other side does not read. */
void virt_stream_send(struct virt_stream *, struct stg_bytes);
/* Paused: nothing is read or delivered. Resuming delivers what is there, from the loop. */
void virt_stream_pause(struct virt_stream *, bool paused);
/* TLS as the server on this socket, after what is queued went out. Takes ssl over. */
void virt_stream_secure(struct virt_stream *, SSL *ssl);
/* Back to plain bytes after what is queued went out. */
void virt_stream_plain(struct virt_stream *);
/* TLS ends here without a word; what is sent from now on is in the clear, what comes is thrown away. */
void virt_stream_strip(struct virt_stream *);
/* Closes after what is queued went out, then closed(). */
void virt_stream_finish(struct virt_stream *);
/* Closes now, without closed(): the owner is freeing itself, or pulls the plug. Takes one that was cut already. */
void virt_stream_cut(struct virt_stream *);
/* Closes now, then closed() from the loop. */
void virt_stream_drop(struct virt_stream *);

#endif
