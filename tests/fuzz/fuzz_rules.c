/*
 * fuzz_rules.c - any bytes as a table of payload rules, and as an overlay: refused with a reason, or read and used on a
 * profile that has a bit of everything.
 */
#include <stdlib.h>

#include <stager/error.h>
#include <stager/payload.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char profile[] =
	"<plist version=\"1.0\"><dict><key>PayloadType</key><string>Configuration</string><key>PayloadContent</key><array><dict>"
	"<key>PayloadType</key><string>com.apple.wifi.managed</string><key>SSID_STR</key><string>x</string><key>n</key><integer>7</integer>"
	"<key>l</key><array><array><dict><key>l</key><array><array/></array></dict></array></array></dict><dict><key>PayloadType</key><string>a</string>"
	"<key>b</key><dict><key>c</key><true/></dict></dict></array></dict></plist>";

static void use(const struct stg_profile_rules *r)
{
	struct stg_profile_target t = { .os = "17.4", .supervised = 0 };
	json_t *list = stg_profile_check("p", stg_bytes_str(profile), r, &t, NULL);
	if (!list)
		abort();
	json_decref(list);
	json_decref(stg_profile_rules_about(r));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char small[] = "rules\t1\tios\t18.1\n0\tConfiguration\tD\n0\t*\tD\n0\ta\tD\t1S\t9.0\n1\tb\tD\tR\n2\tc\tD^1\n";
	struct stg_error err = { 0 };
	struct stg_bytes in = stg_bytes(data, size);
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *r = stg_profile_rules_read("t", in, stg_profile_overlay(), &err);
	if (r)
		use(r);
	else if (!err.msg[0])
		abort();
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *o = stg_profile_rules_read("t", stg_bytes_str(small), in, NULL);
	if (o)
		use(o);
	return 0;
}
