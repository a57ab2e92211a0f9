/* main.c - finds the subcommand. */
#include <stdio.h>
#include <stager/text.h>

int main(void)
{
	stg_language_set(NULL);
	puts("stager " STG_VERSION);
	return 0;
}
