/*
 * sftp.h - files on an SFTP server: put, read back, listed, renamed. The host key is pinned, always.
 *
 * Every call blocks, at most a minute without progress, and gives up when `stop` is pulled. What went wrong is a class, as in net.h:
 * OFFLINE, TRUST (another host key: nothing was sent), AUTH, SERVER (it said no: folder, rights, space), IN_DOUBT (the line broke).
 * Threads: one at a time for each connection.
 */
#ifndef STAGER_SFTP_H
#define STAGER_SFTP_H

#include <stager/net.h>

struct stg_sftp_where {
	const char *host, *user;
	int port;                       /* 0: 22 */
	const char *host_key;           /* what `ssh-keygen -lf` prints after "SHA256:" */
	struct stg_bytes key_pem;       /* private key, OpenSSH or PEM, without a passphrase; empty: by password */
	const char *password;
	struct stg_stop *stop;
};
struct stg_sftp;

/* Nothing is said to the server yet. NULL with STG_E_NOMEM, STG_E_IO. */
struct stg_sftp *stg_sftp_new(const struct stg_sftp_where *where, struct stg_error *err);
void stg_sftp_free_at(struct stg_sftp **s);     /* closes the connection */
/* Paths are absolute, without quotes, backslashes and control characters: stg_sftp_path_ok(). */
bool stg_sftp_path_ok(const char *path);
bool stg_sftp_put(struct stg_sftp *s, const char *path, struct stg_bytes what, struct stg_error *err);
bool stg_sftp_get(struct stg_sftp *s, const char *path, struct stg_buf *ret, struct stg_error *err);
/* A list of names. */
json_t *stg_sftp_list(struct stg_sftp *s, const char *folder, struct stg_error *err);
/* Never over a file that is there. */
bool stg_sftp_rename(struct stg_sftp *s, const char *from, const char *to, struct stg_error *err);
/* Of the last call that failed. */
enum stg_net_class stg_sftp_class(const struct stg_sftp *s);

#endif
