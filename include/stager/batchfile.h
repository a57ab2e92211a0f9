/*
 * batchfile.h - the list of expected devices, read from CSV as people really have it.
 *
 * UTF-8 with or without BOM, Windows-1252, UTF-16 with BOM; any line ends; `;` `,` tab or `|` between the fields; a
 * title above the heading; headings in English and French in many spellings. Nothing is guessed about a value: what
 * is doubtful is refused with its line. The file is outside bytes: at most STG_BATCHFILE_MAX bytes, 100,000 rows,
 * 256 columns, 4,096 bytes in a cell.
 *
 * Threads: any; no state.
 */
#ifndef STAGER_BATCHFILE_H
#define STAGER_BATCHFILE_H

#include <stager/json.h>

#define STG_BATCHFILE_MAX (64u << 20)
#define STG_BATCHFILE_ROWS 100000

/*
 * Reads a whole file. `map` (may be NULL) overrules the headings: {"serial": "COL"} where COL is a heading, a column's
 * letter as in a spreadsheet, or its number from 1. New reference, NULL only with STG_E_BUG or STG_E_NOMEM:
 *
 * {"encoding":"windows-1252","separator":";","heading_line":1,"empty_rows":2,
 *  "columns":[{"heading":"N° de série","field":"serial"},{"heading":"Service","field":"attributes.service"}],
 *  "rows":[{"line":2,"serial","udid","ecid" (decimal),"imei","imei2","name","asset_tag","ownership" (pool|personal|unknown),
 *           "attributes":{}}],
 *  "problems":[{"line":3,"code":"STG-1628","where":"order.csv:3: IMEI 1 '3,56E+14'","text":"order.csv:3: ..."}], "problem_count":1}
 *
 * "where" holds no word of a language: whoever shows it puts the code's sentence and act behind it in the person's; "text"
 * is the whole in English, for programs.
 *
 * A column without "field" is passed over: those headed "stager:..." are what an earlier batch said about its devices.
 * At most 20 problems are told, problem_count counts all. Rows with a problem are left out of "rows".
 */
json_t *stg_batchfile_read(const char *file_name, struct stg_bytes file, const json_t *map, struct stg_error *err);
/* False with STG_E_INPUT + STG_ID_BATCH_FILE when there are problems: the first one, its code in place of a sentence, and how many more. */
bool stg_batchfile_ok(const json_t *read, struct stg_error *err);

/* "N° de série" -> "serial"; NULL for a heading that is none of ours. `ret_key` gets the attribute name it would have. */
const char *stg_batchfile_field(const char *heading, char ret_key[64]);

#endif
