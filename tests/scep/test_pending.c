/* test_pending.c - a server where a person decides: it says "pending", our client asks on, and gets the certificate. */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "desk.h"

static EVP_PKEY *ca_key, *own_key;
static X509 *ca, *made;
static int listener;
static atomic_int requests, polls, wrong;
static atomic_bool over;
static char transaction[STG_SCEP_TRANSACTION_MAX + 1], url[64];

static void reply(const struct stg_scep_msg *q, int status, struct stg_buf *ret)
{
	STG_AUTO(stg_buf_clear) struct stg_buf certs = STG_BUF(65536);
	struct stg_error err = { 0 };
	struct stg_scep_making m = { .type = STG_SCEP_CERTREP, .transaction_id = q->transaction_id, .recipient = q->sender, .status = status, .to = q->signer,
				     .signer = ca, .signer_key = ca_key };
	if (status == STG_SCEP_SUCCESS) {
		if (!stg_scep_certs_pack(&made, 1, &certs, &err))
			abort();
		m.content = stg_buf_view(&certs);
	}
	if (!stg_scep_make(&m, ret, NULL, &err))
		abort();
}

/* Pending the first time and at the first poll; then the certificate. */
static void operate(struct stg_bytes body, struct stg_buf *ret)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf plain = STG_BUF(65536);
	STG_AUTO(stg_scep_msg_free_at) struct stg_scep_msg *q = stg_scep_open(body, STG_SCEP_MODERN, NULL, &err);
	if (!q || !stg_scep_decrypt(q, ca, ca_key, STG_SCEP_MODERN, &plain, &err)) {
		wrong++;
		return;
	}
	if (q->type == STG_SCEP_PKCSREQ) {
		requests++;
		stg_copy(transaction, sizeof(transaction), q->transaction_id);
		reply(q, STG_SCEP_PENDING, ret);
		return;
	}
	/* IssuerAndSubject: two names */
	const unsigned char *p = plain.data;
	if (q->type != STG_SCEP_CERTPOLL || strcmp(q->transaction_id, transaction) != 0 || plain.len < 4 || p[0] != 0x30)
		wrong++;
	p += 2;
	X509_NAME *issuer = d2i_X509_NAME(NULL, &p, (long)(plain.len - 2)), *subject = issuer ? d2i_X509_NAME(NULL, &p, (long)(plain.data + plain.len - p)) : NULL;
	if (!subject || p != plain.data + plain.len || X509_NAME_cmp(issuer, X509_get_subject_name(ca)) != 0)
		wrong++;
	X509_NAME_free(issuer);
	X509_NAME_free(subject);
	reply(q, ++polls < 2 ? STG_SCEP_PENDING : STG_SCEP_SUCCESS, ret);
}

static void serve_one(int fd)
{
	static char text[200000];
	STG_AUTO(stg_buf_clear) struct stg_buf body = STG_BUF(STG_SCEP_MESSAGE_MAX);
	size_t n = 0, head = 0, wanted = 0;
	char line[200];
	for (;;) {
		ssize_t got = recv(fd, text + n, sizeof(text) - 1 - n, 0);
		if (got <= 0)
			return;
		n += (size_t)got;
		text[n] = 0;
		const char *end = memmem(text, n, "\r\n\r\n", 4), *length = strcasestr(text, "content-length:");
		if (!end)
			continue;
		head = (size_t)(end - text) + 4;
		wanted = length && length < end ? (size_t)strtoul(length + 15, NULL, 10) : 0;
		if (n >= head + wanted)
			break;
	}
	if (strstr(text, "operation=GetCACaps")) {
		(void)stg_buf_add_str(&body, "AES\nPOSTPKIOperation\nSHA-256\n", NULL);
	} else if (strstr(text, "operation=GetCACert")) {
		uint8_t *der = NULL;
		int len = i2d_X509(ca, &der);
		(void)stg_buf_add(&body, der, (size_t)len, NULL);
		OPENSSL_free(der);
	} else {
		operate(stg_bytes(text + head, wanted), &body);
	}
	snprintf(line, sizeof(line), "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
		 strstr(text, "GetCACert") ? "application/x-x509-ca-cert" : strstr(text, "GetCACaps") ? "text/plain" : "application/x-pki-message", body.len);
	(void)send(fd, line, strlen(line), MSG_NOSIGNAL);
	(void)send(fd, body.data, body.len, MSG_NOSIGNAL);
}

static void *serve(void *arg)
{
	(void)arg;
	while (!over) {
		struct pollfd p = { .fd = listener, .events = POLLIN };
		if (poll(&p, 1, 200) <= 0)
			continue;
		int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			continue;
		serve_one(fd);
		shutdown(fd, SHUT_WR);
		char c[256];
		while (recv(fd, c, sizeof(c), 0) > 0)
			;
		close(fd);
	}
	return NULL;
}

static X509 *enrol(int64_t poll_ms, struct stg_error *err)
{
	uint8_t print[EVP_MAX_MD_SIZE];
	char hex[2 * EVP_MAX_MD_SIZE + 1];
	unsigned int n = 0;
	struct stg_scep_met met = { 0 };
	assert_int_equal(X509_digest(ca, EVP_sha256(), print, &n), 1);
	stg_hex(stg_bytes(print, n), hex);
	const struct stg_scep_server s = { .url = url, .fingerprint = hex };
	const struct stg_scep_wanted w = { .organisation = "Nord", .common_name = "DX3F", .key = own_key, .poll_ms = poll_ms };
	if (!stg_scep_meet(&s, &met, err))
		fail_msg("%s", err->msg);
	X509 *c = stg_scep_enrol(&s, &met, &w, err);
	stg_scep_met_clear(&met);
	return c;
}

static void who_does_not_wait_is_told_that_it_is_pending(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	assert_null(enrol(0, &err));
	assert_int_equal(err.id, STG_ID_SCEP_PENDING);
	assert_int_equal(polls, 0);
}

static void who_waits_asks_on_and_gets_it(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	requests = 0;
	X509 *c = enrol(120000, &err);
	if (!c)
		fail_msg("%s", err.msg);
	assert_int_equal(X509_cmp(c, made), 0);
	/* one request: asking on is no second one */
	assert_int_equal(requests, 1);
	assert_int_equal(polls, 2);
	assert_int_equal(wrong, 0);
	X509_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_does_not_wait_is_told_that_it_is_pending),
		cmocka_unit_test(who_waits_asks_on_and_gets_it),
	};
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	pthread_t thread;
	ca_key = EVP_RSA_gen(2048);
	own_key = EVP_RSA_gen(2048);
	ca = desk_cert(ca_key, "CA", 1);
	made = desk_cert(own_key, "DX3F", 2);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&at, len) != 0 || listen(listener, 16) != 0 || getsockname(listener, (struct sockaddr *)&at, &len) != 0 ||
	    pthread_create(&thread, NULL, serve, NULL) != 0)
		return 1;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/scep", ntohs(at.sin_port));
	int status = cmocka_run_group_tests(tests, NULL, NULL);
	over = true;
	pthread_join(thread, NULL);
	close(listener);
	X509_free(ca);
	X509_free(made);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(own_key);
	return status;
}
