/*
 * _tables.h - the tables of a shared inventory, as SQL.
 */
#ifndef STAGER_PUSH_TABLES_H
#define STAGER_PUSH_TABLES_H

/* Version by version; every statement may be carried out again. They only append: what is there is never changed or taken away. */
extern const char *const push_tables[];
extern const int push_tables_version;
/* What a station's account needs, and no more: it can add, and bring a device up to date, but take nothing away. "%s": the account, quoted. */
extern const char push_tables_rights[];

#endif
