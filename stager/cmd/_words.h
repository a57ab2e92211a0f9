/*
 * _words.h - words that people type, and what they probably meant.
 */
#ifndef CMD_WORDS_H
#define CMD_WORDS_H

#include <stager/cmd.h>

struct option;

/* The word nearest to what was typed: its beginning, or at most two slips of the finger away; NULL: none is near. '_' counts as '-'. */
const char *word_nearest(const char *typed, const char *const *words, size_t n);

/* getopt_long without its own messages: they would be English and name the wrong program. '?' after a sentence: return 2. */
int word_option(const struct stg_cmd_ctx *c, const struct option *options);
/* False, and told: words are left that the command does not take. Call when word_option() has returned -1. */
bool words_end(const struct stg_cmd_ctx *c);

#endif
