import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import Linux

@Suite struct ChildProcessTests {
    private func shell(_ script: String, environment: [String] = [], input: FileDescriptor? = nil) throws
        -> ChildProcess
    {
        try ChildProcess("/bin/sh", ["-c", script], environment: environment, input: input)
    }

    @Test(arguments: [0, 1, 255])
    func `the exit status of a program is reported`(status: CInt) throws {
        #expect(try shell("exit \(status)").waitForEnding() == .exited(status))
    }

    @Test(arguments: [Signal.kill, Signal.terminate])
    func `the signal that ended a program is reported`(signal: CInt) throws {
        let child = try shell("while :; do sleep 1; done")
        #expect(child.ending() == nil)
        child.send(signal)
        #expect(try child.waitForEnding() == .killed(signal))
        child.killGroup()
    }

    @Test func `a missing program is an error`() {
        #expect(throws: Errno.noSuchFileOrDirectory) {
            try ChildProcess("/nowhere/program", [], environment: [])
        }
    }

    @Test func `a program has only the given environment`() throws {
        let script = "test \"$ONE\" = 'a b' && test -z \"$HOME$USER\""
        #expect(try shell(script, environment: ["ONE=a b"]).waitForEnding() == .exited(0))
    }

    @Test func `standard input is the given descriptor, or empty`() throws {
        let file = try memoryFile(named: "input")
        defer { try? file.close() }
        try file.writeAll("hello\n".utf8)
        try file.seek(offset: 0, from: .start)
        #expect(try shell("read line && test \"$line\" = hello", input: file).waitForEnding() == .exited(0))
        #expect(try shell("read line").waitForEnding() == .exited(1))
    }

    @Test func `no signal is blocked in a program`() throws {
        let child = try shell("grep -q 'SigBlk:.*0000000000000000' /proc/self/status")
        #expect(try child.waitForEnding() == .exited(0))
    }

    @Test func `a program starts in the given directory`() throws {
        try withTemporaryDirectory { directory in
            let child = try ChildProcess("/bin/sh", ["-c", "echo x > here"], environment: [], directory: directory)
            #expect(try child.waitForEnding() == .exited(0))
            #expect(Files.exists(directory.appending("here")))
        }
    }

    @Test func `the descriptor of a process is readable once the program has ended`() throws {
        let child = try shell("read line; exit 3")
        let epoll = try Epoll()
        try epoll.add(child.descriptor, .readable, token: 4)
        var tokens: [UInt64] = []
        for _ in 0..<10 where tokens.isEmpty { try epoll.wait(milliseconds: 1000) { token, _ in tokens.append(token) } }
        #expect(tokens == [4])
        #expect(child.ending() == .exited(3))
    }

    @Test func `killing the group kills what the program started`() throws {
        try withTemporaryDirectory { directory in
            let fifo = directory.appending("pipe")
            try #require(unsafe mkfifo(fifo.string, 0o600) == 0)
            let child = try shell("sleep 60 > \(fifo) & exec sleep 60")
            // Opening waits for a writer, and reading ends when the last writer is gone.
            let reader = try Files.open(fifo, .readOnly, .closeOnExec, [])
            defer { try? reader.close() }
            try UnixSocket.makeNonBlocking(reader)
            var byte: [UInt8] = [0]
            func hasWriter() -> Bool {
                unsafe byte.withUnsafeMutableBytes { unsafe (try? reader.read(into: $0)) } == nil
            }
            #expect(hasWriter())
            child.killGroup()
            #expect(try child.waitForEnding() == .killed(Signal.kill))
            #expect(holds { !hasWriter() })
        }
    }
}
