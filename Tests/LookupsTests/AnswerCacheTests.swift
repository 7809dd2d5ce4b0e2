import HTTP
import Testing
import Values

@testable import Lookups

/// Yes holds for 30 s and bridges 300, no holds for 5 s and bridges nothing.
@Suite struct AnswerCacheTests {
    private struct Asked {
        var cache: AnswerCache<Int, Bool>
        var seconds = 0.0
        var now: Timestamp { Timestamp(microseconds: 1_000_000_000).adding(seconds: seconds) }

        init(asked: Int = 10, kept: Int = 100) {
            cache = AnswerCache(
                .init(freshSeconds: { $0 ? 30 : 5 }, bridgingSeconds: { $0 ? 300 : 0 }, asked: asked, kept: kept))
        }

        /// What is found, in a word; with an exclamation mark where it is to be asked.
        mutating func find(_ question: Int = 1) -> String {
            let (finding, isToAsk) = cache.find(question, at: now)
            let word =
                switch finding {
                case .reply(let reply): "\(reply)"
                case .pending: "pending"
                case .unanswered: "unanswered"
                case .refused: "refused"
                }
            return word + (isToAsk ? "!" : "")
        }

        mutating func settle(_ reply: Bool?, _ question: Int = 1) { cache.settle(question, reply, at: now) }
    }

    @Test func `a question is asked once, however many want to know`() {
        var asked = Asked()
        #expect(asked.find() == "pending!")
        for _ in 0..<1000 { #expect(asked.find() == "pending") }
        #expect(asked.find(2) == "pending!")
        asked.settle(true)
        #expect(asked.find() == "true" && asked.find(2) == "pending")
    }

    @Test(arguments: [(true, 30.0), (false, 5.0)])
    func `a reply holds for its time, and then it is asked again`(reply: Bool, seconds: Double) {
        var asked = Asked()
        _ = asked.find()
        asked.settle(reply)
        asked.seconds = seconds - 0.001
        #expect(asked.find() == "\(reply)")
        asked.seconds = seconds
        #expect(asked.find() == "pending!" && asked.find() == "pending")
        asked.settle(!reply)
        #expect(asked.find() == "\(!reply)")
    }

    @Test func `where nobody answers there is a pause before it is asked again`() {
        var asked = Asked()
        _ = asked.find()
        asked.settle(nil)
        #expect(asked.find() == "unanswered")
        asked.seconds = 1.999
        #expect(asked.find() == "unanswered")
        asked.seconds = 2
        #expect(asked.find() == "pending!" && asked.find() == "pending")
        asked.settle(true)
        #expect(asked.find() == "true")
    }

    @Test func `a yes bridges the time in which nobody answers, and it is asked on beside`() {
        var asked = Asked()
        _ = asked.find()
        asked.settle(true)
        asked.seconds = 30
        // The first to ask waits: it is not known yet that nobody answers.
        #expect(asked.find() == "pending!")
        asked.seconds = 33
        asked.settle(nil)
        #expect(asked.find() == "true")
        asked.seconds = 35
        #expect(asked.find() == "true!" && asked.find() == "true")
        asked.seconds = 38
        asked.settle(nil)
        asked.seconds = 299.999
        #expect(asked.find() == "true!")
        asked.settle(nil)
        asked.seconds = 300
        #expect(asked.find() == "unanswered")
    }

    @Test func `an answer ends the bridging`() {
        var asked = Asked()
        _ = asked.find()
        asked.settle(true)
        asked.seconds = 40
        _ = asked.find()
        asked.settle(nil)
        asked.seconds = 45
        #expect(asked.find() == "true!")
        asked.settle(false)
        #expect(asked.find() == "false")
    }

    @Test func `a no bridges nothing`() {
        var asked = Asked()
        _ = asked.find()
        asked.settle(false)
        asked.seconds = 5
        _ = asked.find()
        asked.settle(nil)
        #expect(asked.find() == "unanswered")
    }

    @Test func `no more is asked at a time than may be`() {
        var asked = Asked(asked: 2)
        #expect(asked.find(1) == "pending!" && asked.find(2) == "pending!")
        #expect(asked.find(3) == "refused" && asked.find(2) == "pending")
        asked.settle(nil, 1)
        #expect(asked.find(3) == "pending!")
        asked.settle(true, 2)
        asked.seconds = 40
        #expect(asked.find(2) == "pending!" && asked.find(4) == "refused")
        asked.settle(nil, 2)
        asked.seconds = 41.5
        _ = asked.find(4)
        asked.seconds = 43
        // As much is being asked as may be: the old answer does without.
        #expect(asked.find(2) == "true")
    }

    @Test func `what came long ago makes room`() {
        var asked = Asked(kept: 10)
        for question in 0..<20 {
            _ = asked.find(question)
            asked.settle(true, question)
        }
        let known = (0..<20).map { asked.find($0) }
        #expect(known[..<10].allSatisfy { $0 == "pending!" } && known[10...].allSatisfy { $0 == "true" })
    }
}
