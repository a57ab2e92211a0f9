/*
 * test_second.c - two persons for an erase: on the spot, or a lead who signed beforehand. Asked of the devices themselves.
 */
#include "look.h"

#include <stager/ids.h>

enum { PLAIN, FOREIGN, BESIDE, ALL };

static struct journey bench;

static int begin(void **state)
{
	*state = &bench;
	journey_begin(&bench, ALL, "instant", 29, NULL);
	journey_batch(&bench, "returned-phone-wipe", "pool");
	json_decref(journey_op(&bench, "user.add", json_pack("{s:s, s:s, s:s}", "name", "anna", "role", "admin", "pin", "246810"), NULL));
	json_decref(journey_op(&bench, "user.add", json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", "lea", "role", "lead", "pin", "135791", "second",
							     "anna", "second_pin", "246810"), NULL));
	journey_tell(&bench, "set", journey_serial(&bench, FOREIGN), "supervised_by_other", "ACME Rentals");
	return 0;
}

static int end(void **state)
{
	journey_end(*state);
	return 0;
}

static json_t *order_one(const char *serial)
{
	return json_pack("{s:[{s:s, s:s}]}", "serials", "serial", serial, "confirm", serial + strlen(serial) - 4);
}

static json_t *signing(const char *serial, const char *by, const char *pin)
{
	return json_pack("{s:[s], s:s, s:s, s:s, s:i}", "serials", serial, "by", by, "pin", pin, "reason", "leavers of May", "minutes", 60);
}

static void erased(struct journey *j, size_t i, int times)
{
	assert_int_equal(look_sent(j, journey_serial(j, i), "EraseDevice"), times);
}

/* "tester" is nobody's lead. */
static void a_technician_alone_orders_nothing(void **state)
{
	struct journey *j = *state;
	look_refused(j, "wipe.order", order_one(journey_serial(j, PLAIN)), STG_E_SAFETY);
	look_refused(j, "wipe.order", json_pack("{s:s, s:i}", "batch", BATCH, "count", ALL), STG_E_SAFETY);
	/* neither his own word, nor a wrong PIN, nor somebody who is not registered agrees beforehand */
	look_refused(j, "wipe.sign", signing(journey_serial(j, PLAIN), "tester", "0000"), STG_E_SAFETY);
	look_refused(j, "wipe.sign", signing(journey_serial(j, PLAIN), "lea", "0000"), STG_E_SAFETY);
}

static void what_a_lead_signed_beforehand_is_the_second_person_once(void **state)
{
	struct journey *j = *state;
	const char *serial = journey_serial(j, PLAIN);
	STG_AUTO(stg_json_free_at) json_t *e = journey_op(j, "wipe.sign", signing(serial, "lea", "135791"), NULL);
	assert_int_equal(stg_json_int(e, "most", 0), 1);
	/* it is no confirmation: nothing happens before somebody types */
	journey_tell(j, "plug", serial, NULL, NULL);
	look_wait_row(j, serial, "end", "hold");
	erased(j, PLAIN, 0);
	json_decref(journey_op(j, "wipe.order", order_one(serial), NULL));
	look_wait_row(j, serial, "end", "staged");
	erased(j, PLAIN, 1);
	STG_AUTO(stg_json_free_at) json_t *list = journey_op(j, "wipe.exceptions", json_pack("{s:b}", "all", 1), NULL);
	assert_int_equal(stg_json_int(json_array_get(json_object_get(list, "exceptions"), 0), "left", -1), 0);
	look_refused(j, "wipe.order", order_one(serial), STG_E_SAFETY);
}

static void a_lead_beside_agrees_with_a_pin(void **state)
{
	struct journey *j = *state;
	const char *serial = journey_serial(j, BESIDE);
	json_t *in = order_one(serial);
	stg_json_put(in, "second", "lea");
	stg_json_put(in, "second_pin", "999999");
	look_refused(j, "wipe.order", json_deep_copy(in), STG_E_SAFETY);
	stg_json_put(in, "second_pin", "135791");
	json_decref(journey_op(j, "wipe.order", in, NULL));
	journey_tell(j, "plug", serial, NULL, NULL);
	look_wait_row(j, serial, "end", "staged");
	erased(j, BESIDE, 1);
}

/* Even a lead's own order is one person only, where somebody else manages the device. */
static void a_device_managed_by_somebody_else_waits_for_two(void **state)
{
	struct journey *j = *state;
	const char *serial = journey_serial(j, FOREIGN);
	char words[5000];
	snprintf(words, sizeof(words), "%s wipe --serial %s --confirm %s --as lea --state %s >/dev/null 2>&1", j->program, serial,
		 serial + strlen(serial) - 4, j->state);
	assert_int_equal(system(words), 0);
	journey_tell(j, "set", serial, "auto_trust", "true");
	journey_tell(j, "plug", serial, NULL, NULL);
	look_wait_row(j, serial, "end", "hold");
	STG_AUTO(stg_json_free_at) json_t *row = look_row(j, serial);
	assert_int_equal(stg_json_int(row, "code", 0), STG_ID_ERASE_SECOND);
	erased(j, FOREIGN, 0);
	/* her own signature makes her no second person */
	STG_AUTO(stg_json_free_at) json_t *own = journey_op(j, "wipe.sign", signing(serial, "lea", "135791"), NULL);
	assert_int_equal(stg_json_int(own, "released", 1), 0);
	journey_tell(j, "replug", serial, NULL, NULL);
	look_wait_slot(j, look_udid(j, FOREIGN), "state", "hold");
	erased(j, FOREIGN, 0);
	STG_AUTO(stg_json_free_at) json_t *e = journey_op(j, "wipe.sign", signing(serial, "anna", "246810"), NULL);
	assert_int_equal(stg_json_int(e, "released", 0), 1);
	look_wait_row(j, serial, "end", "staged");
	erased(j, FOREIGN, 1);
	STG_AUTO(stg_json_free_at) json_t *audit = journey_op(j, "audit.list", json_object(), NULL);
	STG_AUTO(stg_free_at) char *rows = stg_json_text(audit);
	assert_non_null(strstr(rows, "erase.exception.sign"));
	assert_non_null(strstr(rows, "erase.exception.use"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_technician_alone_orders_nothing),
		cmocka_unit_test(what_a_lead_signed_beforehand_is_the_second_person_once),
		cmocka_unit_test(a_lead_beside_agrees_with_a_pin),
		cmocka_unit_test(a_device_managed_by_somebody_else_waits_for_two),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
