import HTTP
import Testing
import Values

@testable import Delivery

@Suite struct AttemptRoomTests {
    private static func owner(_ number: UInt8) -> UUID { UUID(bytes: [UInt8](repeating: number, count: 16))! }

    private static func start(_ owner: UUID, approved: Bool = false) -> DeliveryStep.Start {
        let destination = Destination(
            number: 1, url: "http://a.test/", policy: .fixed, approvalPath: approved ? "/p" : nil)
        let delivery = Delivery(
            number: 1, destination: 1, payload: 1, id: owner, due: .farAhead, created: .farAhead)
        return DeliveryStep.Start(delivery: delivery, destination: destination, owner: owner, payload: nil)
    }

    private static func room(_ all: Int, reserve: Int, taken: [(UInt8, Int)]) -> AttemptRoom {
        var room = AttemptRoom(all, reserve: reserve)
        for (number, count) in taken { for _ in 0..<count { room.take(start(owner(number))) } }
        return room
    }

    @Test func `a single owner can take all slots, but none of the reserve`() {
        var room = AttemptRoom(20, reserve: 4)
        let one = Self.owner(1)
        #expect(room.slots(for: one, needsApproval: false, upTo: room.share(waiting: [one])) == 20)
        for _ in 0..<20 { room.take(Self.start(one)) }
        #expect(room.all == 0 && room.slots(for: one, needsApproval: false) == 0)
        room.giveBack(Self.start(one))
        #expect(room.slots(for: one, needsApproval: false) == 1 && room.slots(of: one) == 19)
    }

    @Test func `when all slots are taken, only an owner with few gets slots of the reserve`() {
        var room = Self.room(20, reserve: 10, taken: [(1, 12), (2, 8)])
        let late = Self.owner(3)
        #expect(room.slots(for: Self.owner(1), needsApproval: false) == 0)
        #expect(room.slots(for: Self.owner(2), needsApproval: false) == 0)
        #expect(room.slots(for: late, needsApproval: false) == 8)
        for _ in 0..<8 { room.take(Self.start(late)) }
        #expect(room.slots(for: late, needsApproval: false) == 0)
        // Another owner gets the rest of the reserve.
        #expect(room.slots(for: Self.owner(4), needsApproval: false) == 2 && !room.isExhausted)
        for _ in 0..<2 { room.take(Self.start(Self.owner(4))) }
        #expect(room.isExhausted && room.slots(for: Self.owner(5), needsApproval: false) == 0)
    }

    @Test func `slots are shared evenly among the owners that have or want some`() {
        let room = Self.room(30, reserve: 0, taken: [(1, 10), (2, 5)])
        #expect(room.share(waiting: [Self.owner(2), Self.owner(3)]) == 10)
        #expect(room.slots(for: Self.owner(1), needsApproval: false, upTo: 10) == 0)
        #expect(room.slots(for: Self.owner(2), needsApproval: false, upTo: 10) == 5)
        #expect(room.slots(for: Self.owner(3), needsApproval: false, upTo: 10) == 10)
    }

    @Test func `an owner with few gets slots of the reserve for attempts that need approval`() {
        var room = AttemptRoom(20, needingApproval: 4, reserve: 8)
        for _ in 0..<4 { room.take(Self.start(Self.owner(1), approved: true)) }
        #expect(room.slots(for: Self.owner(9), needsApproval: true) == 8)
        for _ in 0..<8 { room.take(Self.start(Self.owner(9), approved: true)) }
        #expect(room.slots(for: Self.owner(8), needsApproval: true) == 0)
        #expect(room.slots(for: Self.owner(8), needsApproval: false) == 8)
    }
}
