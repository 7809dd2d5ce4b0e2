import Testing

@testable import Events

@Suite struct ExpressionReportsTests {
    @Test func `a slow expression is reported once, until it changes`() {
        var reports = ExpressionReports()
        reports.add(2)
        reports.add(1)
        #expect(reports.takePending() == [1, 2])
        reports.beginStep()
        reports.add(1)
        #expect(reports.takePending() == [])
        reports.forget(1)
        reports.add(1)
        #expect(reports.takePending() == [1])
    }

    @Test func `a report is written again after a step that was rolled back, and not after one that was committed`() {
        var reports = ExpressionReports()
        reports.add(1)
        #expect(reports.takePending() == [1])
        reports.rolledBack()
        #expect(reports.takePending() == [1])
        reports.beginStep()
        reports.rolledBack()
        #expect(reports.takePending() == [])
    }

    @Test func `an expression that changes before its report is written is not reported`() {
        var reports = ExpressionReports()
        reports.add(1)
        reports.forget(1)
        #expect(reports.takePending() == [])
    }
}
