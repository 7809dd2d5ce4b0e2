internal import Storage

/// Whether the checkpoints of a process fail, for another reason than the disk. A change is news once.
struct CheckpointTrouble {
    private var failure: String?
    private var news: CheckpointNews?

    /// Notes a failure, or with `nil` that a checkpoint was made.
    /// - Returns: whether that is news.
    mutating func note(_ failure: String?) -> Bool {
        let isNews = (failure == nil) != (self.failure == nil)
        self.failure = failure
        if isNews { news = failure.map { .failing($0) } ?? .succeeding }
        return isNews
    }

    mutating func takeNews() -> CheckpointNews? {
        defer { news = nil }
        return news
    }
}
