/// The difference of two texts, as diff(1) with `-u` writes it and patch(1) reads it.
package struct UnifiedDiff {
    /// Lines around a change that are shown with it.
    private static let context = 3
    /// Beyond so many differing lines the smallest difference isn't looked for: the work grows with their square.
    private static let mostLines = 4000
    private static let longestHeader = 4096

    private let old: [Substring]
    private let new: [Substring]

    /// One line's fate.
    private enum Step { case kept, removed, added }

    package init(_ old: String, _ new: String) { (self.old, self.new) = (Self.lines(old), Self.lines(new)) }

    /// Each line with its end.
    private static func lines(_ text: String) -> [Substring] {
        var lines: [Substring] = []
        let bytes = text.utf8
        var start = bytes.startIndex
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            let next = bytes.index(after: end)
            lines.append(text[start..<next])
            start = next
        }
        if start < bytes.endIndex { lines.append(text[start...]) }
        return lines
    }

    /// Empty where both are the same; nil where a name can't stand in the header.
    package func text(old oldName: String, new newName: String) -> String? {
        let hunks = hunks(steps())
        guard !hunks.isEmpty else { return "" }
        guard !(oldName + newName).utf8.contains(where: { $0 < 0x20 }) else { return nil }
        return "--- \(oldName)\n+++ \(newName)\n" + hunks
    }

    /// How the old text becomes the new one.
    private func steps() -> [Step] {
        let head = zip(old, new).prefix { Self.same($0, $1) }.count
        let tail = zip(old.dropFirst(head).reversed(), new.dropFirst(head).reversed())
            .prefix { Self.same($0, $1) }.count
        let (oldMiddle, newMiddle) = (old[head..<(old.count - tail)], new[head..<(new.count - tail)])
        var steps = [Step](repeating: .kept, count: head)
        if oldMiddle.count + newMiddle.count > Self.mostLines {
            steps += [Step](repeating: .removed, count: oldMiddle.count)
            steps += [Step](repeating: .added, count: newMiddle.count)
        } else {
            steps += Self.steps(Array(oldMiddle), Array(newMiddle))
        }
        return steps + [Step](repeating: .kept, count: tail)
    }

    private static func same(_ one: Substring, _ other: Substring) -> Bool { one.utf8.elementsEqual(other.utf8) }

    private static func steps(_ old: [Substring], _ new: [Substring]) -> [Step] {
        var (removed, added): (Set<Int>, Set<Int>) = ([], [])
        for change in new.difference(from: old, by: same) {
            switch change {
            case .remove(let offset, _, _): removed.insert(offset)
            case .insert(let offset, _, _): added.insert(offset)
            }
        }
        var steps: [Step] = []
        var (place, otherPlace) = (0, 0)
        while place < old.count || otherPlace < new.count {
            if removed.contains(place) {
                steps.append(.removed)
                place += 1
            } else if added.contains(otherPlace) {
                steps.append(.added)
                otherPlace += 1
            } else {
                steps.append(.kept)
                place += 1
                otherPlace += 1
            }
        }
        return steps
    }

    private func hunks(_ steps: [Step]) -> String {
        var text = ""
        var (index, oldLine, newLine) = (0, 0, 0)
        while let first = steps[index...].firstIndex(where: { $0 != .kept }) {
            let start = max(index, first - Self.context)
            oldLine += start - index
            newLine += start - index
            let end = Self.end(of: steps, from: first)
            text += hunk(steps[start..<end], &oldLine, &newLine)
            index = end
        }
        return text
    }

    /// A hunk goes on until more lines are kept than two contexts.
    private static func end(of steps: [Step], from first: Int) -> Int {
        var last = first
        var index = first
        while index < steps.count, index - last <= 2 * context {
            if steps[index] != .kept { last = index }
            index += 1
        }
        return min(steps.count, last + 1 + context)
    }

    private func hunk(_ steps: ArraySlice<Step>, _ oldLine: inout Int, _ newLine: inout Int) -> String {
        let oldCount = steps.count { $0 != .added }
        let newCount = steps.count { $0 != .removed }
        // An empty range is named by the line before it.
        func range(_ line: Int, _ count: Int) -> String { "\(count == 0 ? line : line + 1),\(count)" }
        var text = "@@ -\(range(oldLine, oldCount)) +\(range(newLine, newCount)) @@\n"
        for step in steps {
            let line = step == .added ? new[newLine] : old[oldLine]
            text += (step == .kept ? " " : step == .removed ? "-" : "+") + line
            if line.utf8.last != UInt8(ascii: "\n") { text += "\n\\ No newline at end of file\n" }
            if step != .added { oldLine += 1 }
            if step != .removed { newLine += 1 }
        }
        return text
    }
}
