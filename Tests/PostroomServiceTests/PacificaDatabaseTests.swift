import Testing

@testable import PostroomService

@Suite struct PacificaDatabaseTests {
    private func text(_ url: PacificaDatabaseURL?) -> String? {
        switch url {
        case .sqlite(let path): "file \(path)"
        case .postgreSQL(let parameters): parameters.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
        case nil: nil
        }
    }

    @Test(arguments: [
        (
            "postgres://notifications:secret@localhost/events",
            "user=notifications password=secret host=localhost dbname=events"
        ),
        ("postgresql://db.example:5433/events", "host=db.example port=5433 dbname=events"),
        ("postgresext+pool://u:p@h/d?max_connections=20&stale_timeout=300", "user=u password=p host=h dbname=d"),
        (
            "postgresql+pool:///d?host=/var/run/post%67resql&sslmode=disable",
            "dbname=d host=/var/run/postgresql sslmode=disable"
        ),
        ("postgres://u:a@b:c%41@[::1]:5432/d", "user=u password=a@b:c%41 host=::1 port=5432 dbname=d"),
        ("POSTGRES://u@h/d#x", "user=u host=h dbname=d"), ("sqlite:///some/file.db", "file some/file.db"),
        ("sqliteext:////var/lib/file.db?timeout=5", "file /var/lib/file.db"), ("sqlite+pool:///a", "file a"),
    ])
    func `a URL is read as peewee reads it`(url: String, meaning: String) {
        #expect(text(PacificaDatabaseURL(url)) == meaning)
    }

    @Test(arguments: [
        "", "events", "mysql://u@h/d", "postgres://h", "postgres://h/", "postgres://h:port/d", "postgres://[::1/d",
        "sqlite://", "sqlite:///", "sqlite://file", "sqlite:///:memory:", "postgres:///d?host=%x",
    ])
    func `a URL without a database that can be read is refused`(url: String) {
        #expect(text(PacificaDatabaseURL(url)) == nil)
    }
}
