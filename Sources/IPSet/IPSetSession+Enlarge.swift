#if IPSet

    extension IPSetSession {
        /// Makes room in a set: a larger one is filled with the same elements under a temporary name (the set's own and
        /// `~`), takes its place at once, and the smaller one goes. Rules that look into the set go on.
        ///
        /// What others add or delete meanwhile is lost, and so are counters and the times that elements had left. If it
        /// fails, the set is as it was.
        public mutating func enlarge(_ set: String, to maxElements: UInt32) throws(IPSetError) {
            guard let content = try content(of: set) else {
                throw IPSetError(.setAbsent(set), "there is no set \(set)")
            }
            guard var spec = content.set.spec, spec.type.isHash, content.unreadable == 0 else {
                throw IPSetError(.invalid, "\(set): a set with what svcctl does not know is not made anew")
            }
            spec.name = Self.temporaryName(set)
            spec.maxElements = maxElements
            // The hash need not grow once more.
            spec.hashSize = content.set.hashSize
            try destroy(spec.name, ifPresent: true)
            try create(spec)
            do {
                try add(content.elements, to: spec.name)
                try swap(spec.name, set)
            } catch {
                try? destroy(spec.name, ifPresent: true)
                throw error
            }
            try destroy(spec.name)
        }

        static func temporaryName(_ set: String) -> String {
            var name = set
            while name.utf8.count >= SetSpec.nameLength { name.removeLast() }
            return name + "~"
        }
    }

#endif
