/*
 * csv.h - CSV as we write it (mdm-push 7.2): RFC 4180, UTF-8 without BOM, CRLF, every cell quoted.
 *
 * A cell of free text that a spreadsheet would take for a formula (= + - @ tab or a line break first) gets a leading
 * apostrophe; our own reader takes it off again. Serials and IMEIs are checked before they get here and stay as they are.
 * Reading lives in <stager/batchfile.h>.
 */
#ifndef STAGER_CSV_H
#define STAGER_CSV_H

#include <stager/bytes.h>

enum stg_csv_kind {
	STG_CSV_TEXT,      /* free text: made harmless */
	STG_CSV_EXACT,     /* serial, IMEI, identifier, time: never changed */
};

/* One cell and what follows it: "," or, after the last of a row, CR LF. */
bool stg_csv_cell(struct stg_buf *out, const char *text, enum stg_csv_kind kind, bool is_last, struct stg_error *err);

#endif
