#pragma once
/// A test runner in one header, for one test file per executable.
///
///   TEST("what holds") { CHECK(condition); CHECK_CLOSE(a, b, tolerance); }
///
/// registers itself; a failed check prints file, line and values and the test goes on. `context()`
/// holds a text that is printed with failures, to tell which turn of a loop failed.

#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

namespace check {

struct Test {
    const char* name;
    void (*body)();
};

inline std::vector<Test> tests;
inline int n_checks = 0;
inline int n_failures = 0;

inline std::string& context() {
    static std::string text;
    return text;
}

inline bool add(const char* name, void (*body)()) {
    tests.push_back({name, body});
    return true;
}

inline void record(bool passed, const char* file, int line, const std::string& what) {
    ++n_checks;
    if (passed || ++n_failures > 25) return;  // enough to see what is wrong
    std::printf("%s:%d: %s%s%s\n", file, line, what.c_str(), context().empty() ? "" : "  at ",
                context().c_str());
}

inline std::string text(double value) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.17g", value);
    return buffer;
}

/// Equal values, infinite ones too, are close; NaN is close to nothing.
inline void close(double a, double b, double tolerance, const char* file, int line,
                  const char* what) {
    record(a == b || std::abs(a - b) <= tolerance, file, line,
           std::string(what) + ": " + text(a) + " and " + text(b) + " differ by " +
               text(std::abs(a - b)) + ", more than " + text(tolerance));
}

template <class Exception, class F>
void throws(F&& f, const std::string& part, const char* file, int line, const char* what) {
    try {
        f();
        record(false, file, line, std::string(what) + " did not throw");
    } catch (const Exception& error) {
        record(std::string(error.what()).find(part) != std::string::npos, file, line,
               std::string(what) + ": \"" + error.what() + "\" does not contain \"" + part + "\"");
    }
}

}  // namespace check

#define CHECK(condition) check::record(static_cast<bool>(condition), __FILE__, __LINE__, #condition)
#define CHECK_CLOSE(a, b, tolerance) \
    check::close(a, b, tolerance, __FILE__, __LINE__, "CHECK_CLOSE(" #a ", " #b ")")
#define CHECK_THROWS(expression, exception, part)                                              \
    check::throws<exception>([&] { static_cast<void>(expression); }, part, __FILE__, __LINE__, \
                             #expression)
#define CHECK_JOIN_(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN_(a, b)
#define TEST(name)                                        \
    static void CHECK_JOIN(test_, __LINE__)();            \
    static const bool CHECK_JOIN(registered_, __LINE__) = \
        check::add(name, CHECK_JOIN(test_, __LINE__));    \
    static void CHECK_JOIN(test_, __LINE__)()

int main() {
    for (const check::Test& test : check::tests) {
        const int before = check::n_failures;
        check::context().clear();
        try {
            test.body();
        } catch (const std::exception& error) {
            check::record(false, test.name, 0,
                          std::string("unexpected exception: ") + error.what());
        }
        std::printf("%s  %s\n", check::n_failures == before ? "ok    " : "FAILED", test.name);
    }
    std::printf("%zu tests, %d checks, %d failures\n", check::tests.size(), check::n_checks,
                check::n_failures);
    return check::n_failures == 0 && !check::tests.empty() ? 0 : 1;
}
