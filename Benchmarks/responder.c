/* The baseline: about as little as a FastCGI responder can do with libfcgi.
 *
 * It listens on descriptor 0, reads each request's body to its end, stores nothing, and answers 200 with an empty body.
 * libfcgi ties a thread to a connection for as long as nginx keeps it, so there are more threads than nginx will keep
 * connections open here.
 */
#include <fcgiapp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 96, LISTENER = 0 };

static void *serve(void *unused)
{
    (void)unused;
    FCGX_Request request;
    char body[16384];

    FCGX_InitRequest(&request, LISTENER, 0);
    while (FCGX_Accept_r(&request) == 0) {
        /* Unread bytes would be taken as the beginning of the next request. */
        while (FCGX_GetStr(body, sizeof body, request.in) > 0) {
        }
        FCGX_PutS("Status: 200 OK\r\nContent-Length: 0\r\n\r\n", request.out);
        FCGX_Finish_r(&request);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];

    if (FCGX_Init() != 0) {
        fputs("responder: libfcgi cannot be initialised\n", stderr);
        return EXIT_FAILURE;
    }
    /* FCGX_Init catches it, and the threads go on waiting for requests. */
    signal(SIGTERM, SIG_DFL);
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, serve, NULL) != 0) {
            perror("responder: pthread_create");
            return EXIT_FAILURE;
        }
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return EXIT_SUCCESS;
}
