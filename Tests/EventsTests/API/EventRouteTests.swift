import HTTP
import Testing
import Values

@testable import Events

@Suite struct EventRouteTests {
    private func route(_ path: String) -> EventRoute? {
        EventRoute.own(path.split(separator: "/", omittingEmptySubsequences: false).map(String.init))
            .flatMap { EventRoute($0) }
    }

    @Test(
        arguments: [
            ("receive", .receive), ("eventmatch", .subscriptions), ("eventmatch/x", .subscription("x")),
            ("eventmatch/x/deliveries", .deliveries("x")), ("eventmatch/x/replay", .replay("x")),
            ("eventmatch/x/deliveries/7/retry", .retry("x", delivery: "7")), ("events/x", .event("x")),
            ("jsonpath", .expression),
        ] as [(String, EventRoute)])
    func `each path has its route, with or without a slash at the end`(path: String, wanted: EventRoute) {
        #expect(route(path) == wanted)
        #expect(route(path + "/") == wanted)
        #expect(route(path + "/more/and/more/and/again") == nil)
    }

    @Test(arguments: ["events", "receive/x", "eventmatch/x/y", "eventmatch/x/deliveries/7", "events/x/y", "jsonpath/x"])
    func `other paths of this API have no route`(path: String) {
        #expect(EventHandlers.owns(path.split(separator: "/").map(String.init)))
        #expect(route(path) == nil)
    }

    @Test(arguments: [[], [""], ["receiver"], ["Receive"], ["x", "receive"], ["event"], ["JSONPath"]])
    func `the API does not own other paths`(path: [String]) {
        #expect(!EventHandlers.owns(path))
    }

    @Test(
        arguments: [
            (.receive, "OPTIONS, POST"), (.subscriptions, "DELETE, GET, HEAD, POST, PUT"),
            (.subscription("x"), "DELETE, GET, HEAD, POST, PUT"), (.event("x"), "GET, HEAD"),
            (.deliveries("x"), "GET, HEAD"), (.replay("x"), "POST"), (.retry("x", delivery: "1"), "POST"),
            (.expression, "POST"),
        ] as [(EventRoute, String)])
    func `methods are listed in alphabetical order`(route: EventRoute, methods: String) {
        #expect(route.methods.joined(separator: ", ") == methods)
        #expect(route.methods == route.methods.sorted())
    }

    // MARK: UUIDs

    @Test(arguments: [
        "0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a50", "0B8F4C1E-6D2A-4E9B-B7A3-5C1D2E3F4A50",
        "0b8f4c1e6d2a4e9bb7a35c1d2e3f4a50", "{0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a50}",
        "urn:uuid:0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a50", "URN:UUID:{0B8F4C1E6D2A4E9BB7A35C1D2E3F4A50}",
        "0b8f-4c1e6d2a4e9bb7a35c1d2e3f4a50",
    ])
    func `a UUID is read in all its forms`(text: String) {
        #expect(UUID(lenient: text) == Example.id)
    }

    @Test(arguments: [
        "", "x", "0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a5", "0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a500",
        "0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a5g", "{0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a50",
        "0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a50 ", "{}", "urn:uuid:", "٠b8f4c1e6d2a4e9bb7a35c1d2e3f4a5",
        "00000000000000000000000000000+12", "------------------------------------",
    ])
    func `a text that is not a UUID is refused`(text: String) {
        #expect(UUID(lenient: text) == nil)
    }
}
