#include <sqlite3.h>

/// Swift does not import the macro SQLITE_TRANSIENT: it casts a number to a function. The text is copied.
static inline int postroom_sqlite3_bind_text(sqlite3_stmt *statement, int index, const char *text, int length) {
    return sqlite3_bind_text(statement, index, text, length, SQLITE_TRANSIENT);
}
