import Linux
import SystemPackage
import Testing

@testable import PostroomService

@Suite struct SupervisorStateTests {
    private let state = SupervisorState(
        lock: 5, sockets: [6, 7, 8], vitals: 10, nginx: SupervisorState.Child(processID: 100, slot: nil), worker: nil,
        responders: [
            SupervisorState.Child(processID: 101, slot: 0), nil, SupervisorState.Child(processID: 103, slot: 2),
        ],
        leaving: [90, 91], started: 1_700_000_000_000_000, certificateTimes: [12, nil, 34], migrates: true)

    @Test func `an encoded state is decoded unchanged`() {
        #expect(SupervisorState(state.encoded) == state)
        var small = state
        (small.nginx, small.leaving, small.certificateTimes, small.migrates) = (nil, [], [], false)
        #expect(SupervisorState(small.encoded) == small)
    }

    // A supervisor of another version reads it.
    @Test func `a state is written as one line for each member`() {
        var small = state
        small.leaving = []
        #expect(
            String(decoding: small.encoded, as: UTF8.self) == """
                postroom-supervisor 1
                lock 5
                vitals 10
                nginx 100:-1
                worker -
                started 1700000000000000
                migrates 1
                sockets 6 7 8
                responders 101:0 - 103:2
                nginx-log
                leaving
                certificates 12 - 34

                """)
    }

    @Test(
        arguments: [
            ("postroom-supervisor 1", "postroom-supervisor 2"), ("lock 5", "lock x"), ("sockets 6 7 8", "sockets"),
            ("sockets 6 7 8", "sockets 6 7"), ("vitals 10", ""), ("sockets 6 7 8", "sockets 6 7 x"),
        ])
    func `a malformed state is refused`(part: String, other: String) {
        let text = String(decoding: state.encoded, as: UTF8.self)
        #expect(SupervisorState(Array(text.replacing(part, with: other).utf8)) == nil)
    }

    @Test func `heartbeats and counts of restarts are shared by all that map the same memory`() throws {
        let vitals = try Vitals()
        let slot = try #require(vitals.freeSlot(besides: [0, 1]))
        #expect(slot == 2)
        // Another mapping of the same memory, as another process has it.
        let copy = FileDescriptor(rawValue: try vitals.counters.descriptor.duplicate().rawValue)
        let other = try #require(Vitals(copy))
        let heartbeat = try #require(other.heartbeat(slot))
        heartbeat.beat()
        heartbeat.setWaiting(true)
        #expect(vitals.beats(slot) == 1 && vitals.isWaiting(slot))
        heartbeat.setWaiting(false)
        vitals.countRestart(.worker, .stuck)
        #expect(
            !vitals.isWaiting(slot) && other.restarts(.worker, .stuck) == 1 && other.restarts(.worker, .ended) == 0)
        #expect(vitals.freeSlot(besides: [0, 1]) == slot && vitals.beats(slot) == 0)
        vitals.counters[0] = 99
        #expect(Vitals(FileDescriptor(rawValue: try vitals.counters.descriptor.duplicate().rawValue)) == nil)
    }
}
