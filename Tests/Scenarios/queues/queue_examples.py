"""Names of queues for the tests of a file, and clients with unique names."""

import itertools

NAMES = ["queue%d" % number for number in range(40)]
_names = ("client%d" % number for number in itertools.count())


def joined(service, queue, **options):
    return service.listen(next(_names), queue, **options)
