public enum MaglevTable { public static func slots(_ targets: [Target]) -> [Target] { SlotTable.slots(targets) } }
