/* _busline.h - how much more fits on the hubs, in words. */
#ifndef CMD_BUSLINE_H
#define CMD_BUSLINE_H

#include <stager/json.h>

/* "Room for 3 more on left hub." for each hub; "" when there is none. */
void bus_room(const json_t *bus, char *ret, size_t size);
/* The i-th thing that would help, cheapest first: where, sentence, act. False: there is none. */
bool bus_fix(const json_t *bus, size_t i, char *ret, size_t size);

#endif
