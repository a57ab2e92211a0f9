/*
 * leave.h - how a forked process ends.
 *
 * A child must not run what its parent registered for exit(): other people's files would be flushed twice. But leaving
 * by _exit() alone hides from the leak checker everything the child did. In a build without sanitizers this is _exit().
 */
#ifndef STAGER_LEAVE_H
#define STAGER_LEAVE_H

/* Ends the calling process with `status`, without atexit() handlers. Under the address sanitizer leaks are reported
 * first, and then the status is the sanitizer's. Any thread. */
_Noreturn void stg_leave(int status);

/* Under the address sanitizer: waits until the caller's children have ended, at most timeout_ms. They get SIGKILL when
 * their parent ends, before they could report. Elsewhere it returns at once. */
void stg_leave_after_children(int timeout_ms);

#endif
