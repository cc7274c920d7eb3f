// DataplaneTestKit
