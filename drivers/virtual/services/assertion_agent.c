/*
 * assertion_agent.c - keeps the device awake during a long transfer.
 *
 * For:    installers of large apps.
 * Thread: the bench's one.
 * Facts:  {CommandKey: CommandCreateAssertion, AssertionTypeKey, AssertionTimeoutKey, ...}; holds until the connection
 *         ends (pymobiledevice3).
 */
#include "../service.h"
#include "../words.h"

static void message(struct virt_conn *c, plist_t msg)
{
	plist_t answer = virt_answer("CommandKey", virt_text(msg, "CommandKey"));

	if (strcmp(virt_text(msg, "CommandKey"), "CommandCreateAssertion") != 0)
		virt_put(answer, "Error", "InvalidCommand");
	virt_send_plist(c, answer);
}

const struct virt_service virt_service_assertion_agent = {
	.names = { "com.apple.mobile.assertion_agent" },
	.framing = VIRT_PLIST,
	.message = message,
};
