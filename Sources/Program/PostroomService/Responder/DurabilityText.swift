internal import Storage

extension MetricsText {
    /// The journal, its syncs, and the checkpoints.
    mutating func add(_ metrics: DurabilityMetrics) {
        single("journal_syncs_total", "counter", "Waits for the journal to be on the disk.", metrics.syncs)
        seconds("journal_sync_seconds_total", "counter", "The time that these took.", metrics.syncMicroseconds)
        single("journal_frames_total", "counter", "Commits that were written to the journal.", metrics.frames)
        single("journal_bytes_total", "counter", "Bytes that were written to the journal.", metrics.frameBytes)
        single("checkpoints_total", "counter", "Checkpoints of the store.", metrics.checkpoints)
        seconds("checkpoint_seconds_total", "counter", "The time that these took.", metrics.checkpointMicroseconds)
        seconds(
            "checkpoint_age_seconds", "gauge", "The time since the last checkpoint.", metrics.checkpointAgeMicroseconds)
        single(
            "commits_since_checkpoint", "gauge", "Commits since the last checkpoint.", metrics.commitsSinceCheckpoint)
        single("commits_not_durable", "gauge", "Commits that a crash could undo.", metrics.commitsNotDurable)
    }

    private mutating func seconds(_ name: String, _ kind: String, _ help: String, _ microseconds: UInt64) {
        family(name, kind, help)
        sample(name, [], text: "\(Double(microseconds) / 1e6)")
    }
}
