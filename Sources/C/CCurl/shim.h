// What Swift cannot call: the functions that set and get options are variadic. One here for each type an option has.
#ifndef POSTROOM_CURL_H
#define POSTROOM_CURL_H

/// CURL, CURLM and CURLSH become types of their own instead of void.
#define CURL_STRICTER
/// The macros that check types for C compilers take the place of the functions.
#define CURL_DISABLE_TYPECHECK

#include <curl/curl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>

static inline CURLcode postroom_curl_set_long(CURL *easy, CURLoption option, long value) {
    return curl_easy_setopt(easy, option, value);
}
static inline CURLcode postroom_curl_set_string(CURL *easy, CURLoption option, const char *value) {
    return curl_easy_setopt(easy, option, value);
}
static inline CURLcode postroom_curl_set_pointer(CURL *easy, CURLoption option, void *value) {
    return curl_easy_setopt(easy, option, value);
}
static inline CURLcode postroom_curl_set_bytes(CURL *easy, CURLoption option, const unsigned char *value) {
    return curl_easy_setopt(easy, option, value);
}
static inline CURLcode postroom_curl_set_list(CURL *easy, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(easy, option, value);
}
static inline CURLcode postroom_curl_set_share(CURL *easy, CURLSH *share) {
    return curl_easy_setopt(easy, CURLOPT_SHARE, share);
}
/// Of CURLOPT_WRITEFUNCTION and CURLOPT_HEADERFUNCTION.
static inline CURLcode postroom_curl_set_receiver(CURL *easy, CURLoption option, curl_write_callback receiver) {
    return curl_easy_setopt(easy, option, receiver);
}
static inline CURLcode postroom_curl_set_socket_opener(CURL *easy, curl_opensocket_callback opener) {
    return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, opener);
}
static inline CURLcode postroom_curl_set_request_guard(CURL *easy, curl_prereq_callback guard) {
    return curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, guard);
}

static inline CURLcode postroom_curl_get_long(CURL *easy, CURLINFO info, long *value) {
    return curl_easy_getinfo(easy, info, value);
}
static inline CURLcode postroom_curl_get_offset(CURL *easy, CURLINFO info, curl_off_t *value) {
    return curl_easy_getinfo(easy, info, value);
}
/// Of CURLINFO_PRIVATE too, which is a pointer to anything.
static inline CURLcode postroom_curl_get_string(CURL *easy, CURLINFO info, char **value) {
    return curl_easy_getinfo(easy, info, value);
}

/// Whether both sides chose HTTP/2 when they began with TLS (RFC 7301). It can be asked once the connection stands.
static inline int postroom_curl_speaks_http2(CURL *easy) {
    struct curl_tlssessioninfo *session = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK || !session || !session->internals) return 0;
    if (session->backend != CURLSSLBACKEND_OPENSSL) return 0;
    const unsigned char *protocol = NULL;
    unsigned int length = 0;
    SSL_get0_alpn_selected((SSL *)session->internals, &protocol, &length);
    return length == 2 && memcmp(protocol, "h2", 2) == 0;
}

static inline CURLMcode postroom_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}
static inline CURLMcode postroom_curl_multi_set_socket_watcher(
    CURLM *multi, curl_socket_callback watcher, void *context) {
    CURLMcode code = curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, context);
    return code != CURLM_OK ? code : curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watcher);
}
static inline CURLMcode postroom_curl_multi_set_timer(CURLM *multi, curl_multi_timer_callback timer, void *context) {
    CURLMcode code = curl_multi_setopt(multi, CURLMOPT_TIMERDATA, context);
    return code != CURLM_OK ? code : curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, timer);
}
static inline CURLSHcode postroom_curl_share(CURLSH *share, curl_lock_data what) {
    return curl_share_setopt(share, CURLSHOPT_SHARE, what);
}

#endif
