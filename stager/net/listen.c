/*
 * listen.c - answers HTTP requests on one address.
 *
 * For:    SCEP; later files for Android and the console.
 * Uses:   libmicrohttpd; this is the only file that includes it.
 * Called: by the commands that serve.
 * Thread: threads of libmicrohttpd; a request belongs to one of them.
 * Facts:  libmicrohttpd turns '+' of a query into a blank and cuts at percent-zero, so the raw address is taken before it does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include <stager/error.h>
#include <stager/listen.h>

#define CONNECTIONS_MAX 64
#define CONNECTIONS_EACH 16
#define HEAD_MAX (64u << 10)
#define IDLE_S 15u
#define BACKLOG 64
#define ANSWER_MAX (1u << 20)
#define THREADS_MAX 16

struct stg_listen {
	struct MHD_Daemon *daemon;
	struct stg_listen_setup setup;
	unsigned int port;
};

struct one {
	char *raw;                 /* the path, and behind its NUL the query, as they came */
	const char *query;
	const struct stg_listen_route *route;
	struct stg_buf body;
	bool begun, too_large;
};

/* ---- addresses ---- */

static bool not_one(const char *address, struct stg_error *err)
{
	char shown[80];
	stg_printable(address, false, shown, sizeof(shown));
	return stg_fail_id(err, STG_E_USAGE, STG_ID_LISTEN_ADDRESS, 0, "'%s'", shown);
}

static bool read_address(const char *address, struct sockaddr_storage *ret, socklen_t *ret_len, struct stg_error *err)
{
	char host[64];
	const char *colon = strrchr(address, ':');
	char *end = NULL;
	unsigned long port = colon && colon[1] >= '0' && colon[1] <= '9' ? strtoul(colon + 1, &end, 10) : 65536;
	size_t n = colon ? (size_t)(colon - address) : 0;
	if (!end || *end || port > 65535 || n < 2 || n >= sizeof(host))
		return not_one(address, err);
	memcpy(host, address, n);
	host[n] = 0;
	*ret = (struct sockaddr_storage){ 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	if (host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = 0;
		if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) != 1 || IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr) || IN6_IS_ADDR_MULTICAST(&v6->sin6_addr))
			return not_one(address, err);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		*ret_len = sizeof(*v6);
		return true;
	}
	if (inet_pton(AF_INET, host, &v4->sin_addr) != 1 || v4->sin_addr.s_addr == htonl(INADDR_ANY) || IN_MULTICAST(ntohl(v4->sin_addr.s_addr)) ||
	    v4->sin_addr.s_addr == htonl(INADDR_BROADCAST))
		return not_one(address, err);
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)port);
	*ret_len = sizeof(*v4);
	return true;
}

bool stg_listen_address_ok(const char *address, struct stg_error *err)
{
	struct sockaddr_storage a;
	socklen_t len;
	return read_address(address, &a, &len, err);
}

static int open_socket(const char *address, unsigned int *ret_port, struct stg_error *err)
{
	struct sockaddr_storage a;
	socklen_t len = 0;
	int yes = 1;
	if (!read_address(address, &a, &len, err))
		return -1;
	STG_AUTO(stg_close_at) int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
	    (a.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) != 0) ||
	    bind(fd, (struct sockaddr *)&a, len) != 0 || listen(fd, BACKLOG) != 0 || getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
		stg_fail_id(err, STG_E_STATION, STG_ID_LISTEN_BUSY, errno, "%.80s: %s", address, strerror(errno));
		return -1;
	}
	*ret_port = ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port : ((struct sockaddr_in *)&a)->sin_port);
	int taken = fd;
	fd = -1;
	return taken;
}

/* ---- requests ---- */

/* Before anything of the address is decoded. */
static void *came(void *ctx, const char *raw, struct MHD_Connection *c)
{
	(void)ctx, (void)c;
	struct one *o = calloc(1, sizeof(*o));
	if (o && !(o->raw = strdup(raw))) {
		free(o);
		o = NULL;
	}
	return o;
}

static size_t as_it_is(void *ctx, struct MHD_Connection *c, char *text)
{
	(void)ctx, (void)c;
	return strlen(text);
}

static void over(void *ctx, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode how)
{
	(void)ctx, (void)c, (void)how;
	struct one *o = *state;
	if (!o)
		return;
	stg_buf_clear(&o->body);
	free(o->raw);
	free(o);
	*state = NULL;
}

static const struct stg_listen_route *find(const struct stg_listen_setup *s, const char *path)
{
	for (size_t i = 0; i < s->n_routes; i++) {
		size_t n = strlen(s->routes[i].path);
		if (strncmp(path, s->routes[i].path, n) == 0 && (path[n] == 0 || path[n] == '/' || (n && path[n - 1] == '/')))
			return &s->routes[i];
	}
	return NULL;
}

static enum MHD_Result say(struct MHD_Connection *c, int status, const struct stg_listen_answer *a)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(a ? a->body.len : 0, a && a->body.len ? a->body.data : (void *)(uintptr_t)"",
								 MHD_RESPMEM_MUST_COPY);
	if (!r)
		return MHD_NO;
	if (a && a->type)
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
	if (a && a->retry_after_s > 0) {
		char seconds[16];
		snprintf(seconds, sizeof(seconds), "%d", a->retry_after_s);
		MHD_add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	enum MHD_Result ok = MHD_queue_response(c, (unsigned int)status, r);
	MHD_destroy_response(r);
	return ok;
}

static const char *peer_of(struct MHD_Connection *c, char *ret, socklen_t size)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	*ret = 0;
	if (i && i->client_addr) {
		socklen_t len = i->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
		if (getnameinfo(i->client_addr, len, ret, size, NULL, 0, NI_NUMERICHOST) != 0)
			*ret = 0;
	}
	return ret;
}

static enum MHD_Result answer(void *ctx, struct MHD_Connection *c, const char *url, const char *method, const char *version, const char *data,
			      size_t *size, void **state)
{
	struct stg_listen *l = ctx;
	struct one *o = *state;
	(void)url, (void)version;
	if (!o || !o->raw)
		return MHD_NO;
	bool post = strcmp(method, "POST") == 0;
	if (!o->begun) {
		o->begun = true;
		char *mark = strchr(o->raw, '?');
		o->query = mark ? mark + 1 : "";
		if (mark)
			*mark = 0;
		o->route = find(&l->setup, o->raw);
		if (!o->route)
			return say(c, 404, NULL);
		if (!post && strcmp(method, "GET") != 0)
			return say(c, 405, NULL);
		if (post && !o->route->body_max)
			return say(c, 405, NULL);
		const char *length = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
		if (post && length && strtoull(length, NULL, 10) > o->route->body_max)
			return say(c, 413, NULL);
		o->body = STG_BUF(post ? o->route->body_max : 0);
		return MHD_YES;
	}
	if (*size) {
		if (!o->too_large && !stg_buf_add(&o->body, data, *size, NULL))
			o->too_large = true;
		*size = 0;
		return MHD_YES;
	}
	if (o->too_large)
		return say(c, 413, NULL);
	char peer[64];
	struct stg_listen_answer a = { .status = 500, .body = STG_BUF(ANSWER_MAX) };
	const struct stg_listen_request ask = { .method = method, .path = o->raw, .query = o->query, .body = stg_buf_view(&o->body),
						.peer = peer_of(c, peer, sizeof(peer)) };
	o->route->handle(l->setup.ctx, &ask, &a);
	enum MHD_Result ok = say(c, a.status, &a);
	stg_buf_clear(&a.body);
	return ok;
}

/* Its complaints about clients are nobody's business here. */
static void quiet(void *ctx, const char *format, va_list args)
{
	(void)ctx, (void)format, (void)args;
}

struct stg_listen *stg_listen_start(const struct stg_listen_setup *setup, struct stg_error *err)
{
	unsigned int port = 0, threads = setup->threads < 1 ? 1 : setup->threads > THREADS_MAX ? THREADS_MAX : setup->threads;
	STG_AUTO(stg_close_at) int fd = open_socket(setup->address, &port, err);
	if (fd < 0)
		return NULL;
	struct stg_listen *l = stg_calloc(1, sizeof(*l));
	l->setup = *setup;
	l->port = port;
	l->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, answer, l, MHD_OPTION_EXTERNAL_LOGGER, quiet, NULL,
				     MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0u,
				     MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
				     (unsigned int)CONNECTIONS_EACH, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				     (size_t)HEAD_MAX, MHD_OPTION_URI_LOG_CALLBACK, came, NULL, MHD_OPTION_UNESCAPE_CALLBACK, as_it_is, NULL,
				     MHD_OPTION_NOTIFY_COMPLETED, over, NULL, MHD_OPTION_END);
	if (!l->daemon) {
		free(l);
		stg_fail_id(err, STG_E_STATION, STG_ID_LISTEN_BUSY, errno, "%.80s: the web server does not start", setup->address);
		return NULL;
	}
	fd = -1;           /* the daemon's from now on */
	return l;
}

unsigned int stg_listen_port(const struct stg_listen *l)
{
	return l->port;
}

void stg_listen_stop(struct stg_listen *l)
{
	if (!l)
		return;
	MHD_stop_daemon(l->daemon);
	free(l);
}
