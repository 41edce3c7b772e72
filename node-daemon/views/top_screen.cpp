// SPDX-License-Identifier: Apache-2.0
#include <langinfo.h>
#include <ncurses.h>
#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <clocale>
#include <ctime>
#include <iterator>
#include <memory>
#include <ranges>
#include <string_view>
#include <utility>

#include "bpf/user/duration.h"
#include "bpf/user/kernel.h"
#include "node-daemon/views/top.h"

namespace podrtt
{
namespace
{

using Clock = Window::Clock;
using namespace std::chrono_literals;

constexpr std::chrono::seconds windows[] = {10s, 60s, 300s};
constexpr int escape = 27;

constexpr const char *help[] = {
    "A row is one leg of a pod: network, from its veth to the peer and back; pod, through its own stack.",
    "",
    "WORST   the longest of the four waits that follow",
    "RESP    a request to its answer, p99             CONN   first SYN to the SYN-ACK, p99",
    "RECOV   data lost and sent again, p99            DNS    a query to its answer, p99",
    "RTT     data to its acknowledgement, p99         FLOOR  the path itself, median",
    "On a wide screen also: medians of RTT and RESP, handshakes (SYN), ping, connections begun.",
    "",
    "arrows, PgUp, PgDn, Home, End   scroll           space  hold the picture",
    "s  order: worst, floor, rtt, connects, name      w      window: 10 s, 1 min, 5 min",
    "l  legs: both, network, pod                      p      peers: all, or one class",
    "/  filter by a part of NAMESPACE/POD             Esc    no filter",
    "q  end                                           ?      this text",
};

// The screen of a terminal, as long as it lives.
class Screen
{
public:
    // Null if the terminal is not known.
    static std::unique_ptr<Screen> open()
    {
        // Times have a µ.
        if (!std::setlocale(LC_ALL, "") || std::string_view(nl_langinfo(CODESET)) != "UTF-8")
            std::setlocale(LC_CTYPE, "C.UTF-8");
        SCREEN *screen = newterm(nullptr, stdout, stdin);
        return screen ? std::unique_ptr<Screen>(new Screen(screen)) : nullptr;
    }

    ~Screen()
    {
        endwin();
        delscreen(screen_);
    }
    Screen(const Screen &) = delete;
    Screen &operator=(const Screen &) = delete;

private:
    explicit Screen(SCREEN *screen) : screen_(screen)
    {
        cbreak();
        noecho();
        keypad(stdscr, TRUE);
        set_escdelay(50);
        curs_set(0);
    }

    SCREEN *screen_;
};

// What comes after `current` among `all`, and the first after the last.
template <typename List, typename Value>
Value next_of(const List &all, const Value &current)
{
    const auto found = std::ranges::find(all, current);
    return found == std::end(all) || std::next(found) == std::end(all) ? *std::begin(all)
                                                                       : *std::next(found);
}

class TopScreen
{
public:
    TopScreen(const Maps &maps, const Pins &pins, const TopOptions &options)
        : maps_(maps), pins_(pins), interval_(options.interval),
          length_(options.window.value_or(windows[0])), filter_(options.filter), order_(options.order),
          window_(std::max<Clock::duration>(length_, *std::rbegin(windows)))
    {
        if (options.duration.count())
            until_ = Clock::now() + options.duration;
    }

    // Until the user has seen enough.
    Result<void> run()
    {
        for (;;) {
            const auto now = Clock::now();
            if (until_ && now >= *until_)
                return {};
            if (now >= next_) {
                if (auto looked = take(now); !looked)
                    return looked;
                next_ = now + interval_;
            }
            draw();
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_ - Clock::now());
            timeout(std::max(1, static_cast<int>(left.count())));
            if (const int key = getch(); key != ERR && !take_key(key))
                return {};
        }
    }

private:
    Result<void> take(Clock::time_point now)
    {
        auto found = look(maps_, pins_);
        if (!found)
            return std::unexpected(found.error());
        window_.add(std::move(found->series), now);
        if (is_held_)
            return {};
        taken_ = std::time(nullptr);
        pods_ = std::move(found->pods);
        peers_ = std::move(found->peers);
        make();
        return {};
    }

    void make()
    {
        if (!is_held_)
            shown_ = window_.recent(length_);
        rows_ = make_rows(shown_, pods_, filter_, order_);
    }

    int room() const { return std::max(1, LINES - 3); } // for rows

    void draw()
    {
        erase();
        if (shows_help_) {
            for (int line = 0; const char *text : help)
                put(line++, text);
        } else {
            draw_head();
            draw_rows();
        }
        refresh();
    }

    void draw_head()
    {
        tm time = {};
        localtime_r(&taken_, &time);
        const auto unmeasured =
            std::ranges::count_if(pods_, [](const auto &pod) { return !pod.second.empty(); });
        const auto idle = std::ranges::count(rows_, "idle", &LatencyRow::state);
        const auto known = std::chrono::floor<std::chrono::seconds>(window_.known(length_));
        std::string window = format_duration(length_);
        if (known + interval_ < length_)
            window = format_duration(known) + " of " + window;
        put(0, fmt::format("{} {:%H:%M:%S}  window {}  by {}  pods {}: {} idle, {} not measured{}",
                           node_name(), time, window, orders[static_cast<std::size_t>(order_)].name,
                           pods_.size(), idle, unmeasured, is_held_ ? "  HELD" : ""));
        std::string shown = is_typing_ ? "filter: " + filter_.text + "_" : "";
        if (!is_typing_) {
            shown = filter_.leg ? fmt::format("leg {}  ", leg_of(*filter_.leg).name) : "";
            shown += filter_.peer.empty() ? "" : "peer " + filter_.peer + "  ";
            shown += filter_.name_space.empty() ? "" : "namespace " + filter_.name_space + "  ";
            shown += filter_.pod.empty() ? "" : "pod " + filter_.pod + "  ";
            shown += filter_.text.empty() ? "" : "/" + filter_.text + "  ";
            shown += "? help, q end";
        }
        put(1, shown);
    }

    void draw_rows()
    {
        const TableLayout layout(rows_, static_cast<std::size_t>(COLS));
        attron(A_REVERSE);
        put(2, layout.heading());
        attroff(A_REVERSE);
        top_row_ = std::clamp(top_row_, 0, std::max(0, static_cast<int>(rows_.size()) - room()));
        if (rows_.empty())
            put(3, pods_.empty() ? "no pods are known on this node yet" : "no pod fits the filter");
        int line = 3;
        for (const auto &row : rows_ | std::views::drop(top_row_) | std::views::take(room()))
            put(line++, layout.line(row));
    }

    // What goes beyond the edge is cut: a line that is full to its end would begin the next.
    static void put(int line, const std::string &text)
    {
        if (line >= LINES)
            return;
        // In UTF-8, a byte that does not continue a character begins one.
        std::size_t bytes = 0;
        for (int columns = 0; bytes < text.size(); bytes++) {
            const bool begins = (static_cast<unsigned char>(text[bytes]) & 0xc0) != 0x80;
            if (begins && columns++ == COLS)
                break;
        }
        mvaddnstr(line, 0, text.c_str(), static_cast<int>(bytes));
    }

    // False if the user has seen enough.
    bool take_key(int key)
    {
        if (is_typing_) {
            type(key);
            return true;
        }
        if (shows_help_ && key != KEY_RESIZE) {
            shows_help_ = false;
            return key != 'q';
        }
        switch (key) {
        case 'q':
            return false;
        case '?':
        case 'h':
            shows_help_ = true;
            break;
        case 's':
            order_ = static_cast<Order>((static_cast<std::size_t>(order_) + 1) % std::size(orders));
            break;
        case 'w':
            if (!is_held_)
                length_ = next_of(windows, length_);
            break;
        case 'l':
            filter_.leg = !filter_.leg                         ? std::optional(PODRTT_LEG_NETWORK)
                          : *filter_.leg == PODRTT_LEG_NETWORK ? std::optional(PODRTT_LEG_POD)
                                                               : std::nullopt;
            break;
        case 'p': {
            std::set<std::string> choices = peers_;
            choices.insert(""); // all, and the first
            filter_.peer = next_of(choices, filter_.peer);
            break;
        }
        case '/':
            is_typing_ = true;
            break;
        case escape:
            filter_ = {};
            break;
        case ' ':
            is_held_ = !is_held_;
            break;
        default:
            scroll_by(key);
            return true;
        }
        make();
        return true;
    }

    void type(int key)
    {
        if (key == '\n' || key == KEY_ENTER || key == escape)
            is_typing_ = false;
        if (key == escape)
            filter_.text.clear();
        else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && !filter_.text.empty())
            filter_.text.pop_back();
        else if (key >= ' ' && key < 127)
            filter_.text += static_cast<char>(key);
        make();
    }

    void scroll_by(int key)
    {
        const std::pair<int, int> steps[] = {
            {KEY_UP, -1},          {'k', -1},
            {KEY_DOWN, 1},         {'j', 1},
            {KEY_PPAGE, -room()},  {KEY_NPAGE, room()},
            {KEY_HOME, -top_row_}, {KEY_END, static_cast<int>(rows_.size())},
        };
        for (const auto &[known, step] : steps)
            if (key == known)
                top_row_ += step; // draw_rows() keeps it within bounds
    }

    const Maps &maps_;
    const Pins &pins_;
    const std::chrono::seconds interval_;
    std::chrono::seconds length_; // of the window
    RowFilter filter_;
    Order order_;
    Window window_;
    Clock::time_point next_;
    std::optional<Clock::time_point> until_;
    std::time_t taken_ = 0;
    PodStates pods_;
    std::set<std::string> peers_;
    Window::Series shown_; // what rows are made of
    std::vector<LatencyRow> rows_;
    int top_row_ = 0; // the first on the screen
    bool shows_help_ = false;
    bool is_typing_ = false;
    bool is_held_ = false;
};

} // namespace

Result<void> show_top(const Pins &pins, const TopOptions &options)
{
    auto maps = Maps::open(pins);
    if (!maps)
        return std::unexpected(maps.error());
    const auto screen = Screen::open();
    if (!screen)
        return failure("use", "this terminal", "it is not known; --once prints a table");
    return TopScreen(*maps, pins, options).run();
}

} // namespace podrtt
