/*
 * real_hosts.h - the hosts that connector files name, on this machine: shipped files run as they are, their TLS checked.
 *
 * In front of libcurl's curl_multi_add_handle() stands one of this test program, as own_time.h's clocks stand in front of
 * libc's: each request keeps its address, Host, SNI and the name its certificate must have, and is connected to loopback,
 * where a CA made by the test signs. Whatever other host is asked meets a closed port: nothing leaves the machine. The
 * product has no such door: no variable, file or setting turns a request elsewhere or swaps the machine's CAs.
 */
#ifndef TESTS_PUSH_REAL_HOSTS_H
#define TESTS_PUSH_REAL_HOSTS_H

#include <dlfcn.h>

#include <curl/curl.h>

#include "site.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"

static struct {
	struct curl_slist *to;          /* NULL: requests go where they say */
	char ca_file[160];              /* instead of the CAs of the machine */
	struct made ca;
} real;

CURLMcode curl_multi_add_handle(CURLM *multi, CURL *c)
{
	CURLMcode (*libcurl)(CURLM *, CURL *);
	*(void **)&libcurl = dlsym(RTLD_NEXT, "curl_multi_add_handle");
	if (!libcurl)
		abort();
	if (real.to && (curl_easy_setopt(c, CURLOPT_CONNECT_TO, real.to) != CURLE_OK || curl_easy_setopt(c, CURLOPT_CAINFO, real.ca_file) != CURLE_OK ||
			curl_easy_setopt(c, CURLOPT_CAPATH, NULL) != CURLE_OK))
		abort();
	return libcurl(multi, c);
}

/* From here on requests go where they say again. */
static void real_hosts_end(void)
{
	curl_slist_free_all(real.to);
	real.to = NULL;
}

static const struct made *real_ca(void)
{
	if (!real.ca.cert)
		real.ca = make_certificate("CA of the test", NULL, NULL, -3600, 86400);
	return &real.ca;
}

/* The file that stands for the machine's CAs holds this program's. */
static void real_trust(struct site *s)
{
	char pem[4096];
	made_pem(real_ca(), false, pem, sizeof(pem));
	snprintf(real.ca_file, sizeof(real.ca_file), "%s/machine-cas.pem", s->st.dir);
	FILE *f = fopen(real.ca_file, "w");
	if (!f || fputs(pem, f) < 0 || fclose(f) != 0)
		abort();
}

/* `hosts`, with a space between, are at this port. */
static void real_hosts_at(struct site *s, const char *hosts, int port)
{
	char all[1024], entry[320], *rest = NULL;
	real_hosts_end();
	real_trust(s);
	stg_copy(all, sizeof(all), hosts);
	for (char *host = strtok_r(all, " ", &rest); host; host = strtok_r(NULL, " ", &rest)) {
		snprintf(entry, sizeof(entry), "%s:443:127.0.0.1:%d", host, port);
		real.to = curl_slist_append(real.to, entry);
	}
	real.to = curl_slist_append(real.to, "::127.0.0.1:1");
}

/* A certificate of the program's CA for these names. */
static struct made real_certificate(const char *hosts)
{
	char san[2048] = "DNS:";
	size_t n = 4;
	for (const char *p = hosts; *p && n + 8 < sizeof(san); p++)
		n += (size_t)snprintf(san + n, sizeof(san) - n, *p == ' ' ? ",DNS:" : "%c", *p);
	return make_certificate("these hosts", san, real_ca(), -3600, 86400);
}

/* The site's server becomes these hosts, with one certificate for all. Before vendor_start(), which keeps the server. */
static void real_hosts(struct site *s, const char *hosts)
{
	struct made cert = real_certificate(hosts);
	server_stop_at(&s->server);
	s->server = server_start(&cert, NULL);
	made_clear(&cert);
	real_hosts_at(s, hosts, s->server->port);
}

#pragma GCC diagnostic pop
#endif
