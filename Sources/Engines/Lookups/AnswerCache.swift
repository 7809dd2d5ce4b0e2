internal import HTTP
package import Values

/// What others have answered, for as long as it holds, and what they are being asked. These are the rules alone: the caller
/// asks, and says what time it is.
package struct AnswerCache<Question: Hashable & Sendable, Reply: Sendable>: Sendable {
    /// How long answers hold.
    package struct Rules: Sendable {
        /// For as long a reply is given without asking again.
        package var freshSeconds: @Sendable (Reply) -> Double
        /// For as long, from when it came, it is given where nobody answers any more.
        package var bridgingSeconds: @Sendable (Reply) -> Double
        /// Where nobody answers, the same is not asked again for so long.
        package var pauseSeconds: Double
        /// How many questions are asked at a time.
        package var asked: Int
        /// How many answers are kept; more push out those that came long ago.
        package var kept: Int

        package init(
            freshSeconds: @escaping @Sendable (Reply) -> Double,
            bridgingSeconds: @escaping @Sendable (Reply) -> Double = { _ in 0 }, pauseSeconds: Double = 2, asked: Int,
            kept: Int = 10_000
        ) {
            self.freshSeconds = freshSeconds
            self.bridgingSeconds = bridgingSeconds
            self.pauseSeconds = pauseSeconds
            self.asked = asked
            self.kept = kept
        }
    }

    package enum Finding {
        case reply(Reply)
        /// It is being asked, or is to be asked now.
        case pending
        /// Nobody has answered, just now.
        case unanswered
        /// It would have to be asked, but too much is being asked already.
        case refused
    }

    private struct Entry {
        var reply: (value: Reply, at: Timestamp)?
        /// When nobody answered, since the reply.
        var failure: Timestamp?
    }

    private let rules: Rules
    private var asked: Set<Question> = []
    /// Two generations: when the newer one is full it becomes the older one, whose entries go.
    private var newer: [Question: Entry] = [:]
    private var older: [Question: Entry] = [:]

    package init(_ rules: Rules) { self.rules = rules }

    /// What is known.
    /// - Returns: with whether the caller is to ask now, and to tell `settle` what came of it.
    package mutating func find(_ question: Question, at now: Timestamp) -> (finding: Finding, isToAsk: Bool) {
        let entry = newer[question] ?? older[question]
        let sincePause = entry?.failure.map { now.seconds(since: $0) - rules.pauseSeconds }
        if let (reply, time) = entry?.reply {
            let age = now.seconds(since: time)
            if let sincePause {
                // It is asked again beside, so that no request waits for whoever does not answer.
                if age < rules.bridgingSeconds(reply) { return (.reply(reply), sincePause >= 0 && begin(question)) }
            } else if age < rules.freshSeconds(reply) {
                return (.reply(reply), false)
            }
        }
        if asked.contains(question) { return (.pending, false) }
        if let sincePause, sincePause < 0 { return (.unanswered, false) }
        return begin(question) ? (.pending, true) : (.refused, false)
    }

    /// Whether it is to be asked now: unless it is being asked, or too much is.
    private mutating func begin(_ question: Question) -> Bool {
        asked.count < rules.asked && asked.insert(question).inserted
    }

    /// Keeps what came of asking.
    /// - Parameter reply: `nil` where nobody answered.
    package mutating func settle(_ question: Question, _ reply: Reply?, at now: Timestamp) {
        asked.remove(question)
        var entry = newer[question] ?? older[question] ?? Entry()
        if let reply {
            entry = Entry(reply: (reply, now))
        } else {
            entry.failure = now
        }
        if newer[question] == nil, newer.count >= rules.kept / 2 {
            older = newer
            newer = [:]
        }
        newer[question] = entry
    }
}
