// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/manual.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

#include "bpf/user/version.h"

namespace podrtt
{
namespace
{

std::vector<const CLI::App *> commands_of(const CLI::App &app)
{
    return app.get_subcommands([](const CLI::App *) { return true; });
}

std::vector<const CLI::Option *> options_of(const CLI::App &command)
{
    return command.get_options([](const CLI::Option *option) { return !option->get_lnames().empty(); });
}

// Of a command, those of all commands with it; `app` may be the command itself.
std::vector<const CLI::Option *> all_options_of(const CLI::App &app, const CLI::App &command)
{
    auto options = options_of(command);
    for (const CLI::Option *option : options_of(app))
        if (!command.get_option_no_throw("--" + option->get_lnames().front()) &&
            option->get_lnames().front() != "version")
            options.push_back(option);
    return options;
}

// Names of an option that is off by default end with the value that they set: --no-dns{false}.
std::string plain(const std::string &name)
{
    return name.substr(0, name.find('{'));
}

std::vector<std::string> names_of(const CLI::Option &option)
{
    std::vector<std::string> names;
    for (const auto &name : option.get_lnames())
        names.push_back("--" + plain(name));
    return names;
}

std::vector<const CLI::Option *> positionals_of(const CLI::App &command)
{
    return command.get_options([](const CLI::Option *option) { return option->get_positional(); });
}

bool is_flag(const CLI::Option &option)
{
    return option.get_items_expected_max() == 0;
}

// What is between the braces of TEXT:{auto,clsact}; empty for options that take anything.
std::vector<std::string> words_of(const CLI::Option &option)
{
    const std::string type = option.get_type_name();
    const auto begin = type.find('{'), end = type.find('}');
    if (is_flag(option) || begin == std::string::npos || end == std::string::npos)
        return {};
    return CLI::detail::split(type.substr(begin + 1, end - begin - 1), ',');
}

// "WORD" of "WORD:{auto,clsact}".
std::string kind_of(const CLI::Option &option)
{
    const std::string type = option.get_type_name();
    return type.substr(0, type.find(':'));
}

std::string join(const std::vector<std::string> &parts, const std::string &between)
{
    return fmt::format("{}", fmt::join(parts, between));
}

// Dashes and backslashes mean something to man(7), and so do a dot and a quote that begin a line.
std::string escape_manual(std::string_view text)
{
    std::string escaped = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
    for (const char letter : text)
        escaped += letter == '-' ? "\\-" : letter == '\\' ? "\\e" : std::string(1, letter);
    return escaped;
}

std::string option_in_manual(const CLI::Option &option)
{
    std::string head = "\\fB" + escape_manual(join(names_of(option), ", ")) + "\\fR";
    if (const auto words = words_of(option); !words.empty())
        head += " " + escape_manual(join(words, "|"));
    else if (!is_flag(option))
        head += " \\fI" + escape_manual(kind_of(option)) + "\\fR";
    std::string text = option.get_description();
    if (!is_flag(option) && !option.get_default_str().empty())
        text += " (default: " + option.get_default_str() + ")";
    return ".TP\n" + head + "\n" + escape_manual(text) + ".\n";
}

std::string command_in_manual(const CLI::App &command)
{
    std::string text = ".SS podrttd " + escape_manual(command.get_name()) + "\n" +
                       escape_manual(command.get_description()) + ".\n";
    for (const CLI::Option *option : options_of(command))
        text += option_in_manual(*option);
    return text;
}

// What bash does with the word after an option.
std::string value_in_bash(const CLI::Option &option)
{
    if (const auto words = words_of(option); !words.empty())
        return fmt::format("COMPREPLY=($(compgen -W \"{}\" -- \"$word\")); ", join(words, " "));
    if (kind_of(option) == "FILE" || kind_of(option) == "DIRECTORY")
        return fmt::format("COMPREPLY=($(compgen -{} -- \"$word\")); ",
                           kind_of(option) == "FILE" ? 'f' : 'd');
    return "";
}

std::string complete_in_bash(const CLI::App &app)
{
    std::string commands, options, values;
    for (const CLI::App *command : commands_of(app)) {
        const std::string &name = command->get_name();
        commands += (commands.empty() ? "" : " ") + name;
        std::string names;
        for (const CLI::Option *option : all_options_of(app, *command)) {
            names += (names.empty() ? "" : " ") + join(names_of(*option), " ");
            if (!is_flag(*option))
                values += fmt::format("        \"{} {}\") {}return ;;\n", name,
                                      join(names_of(*option), fmt::format("\" | \"{} ", name)),
                                      value_in_bash(*option));
        }
        for (const CLI::Option *option : positionals_of(*command))
            names += " " + join(words_of(*option), " ");
        options += fmt::format("        {}) options=\"{}\" ;;\n", name, names);
    }
    return fmt::format(R"(# podrttd completion for bash; made by podrttd completion bash
_podrttd() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command="" options="" each last=""
    for each in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$last" in
        --pin-path | --config) last=""; continue ;;
        esac
        last=$each
        case "$each" in
        -*) ;;
        *) command=$each; break ;;
        esac
    done
    case "$command $before" in
{1}    esac
    case "$command" in
{2}        *) options="{0}" ;;
    esac
    COMPREPLY=($(compgen -W "$options" -- "$word"))
}}
complete -F _podrttd podrttd
)",
                       commands, values, options);
}

// Brackets and colons have a meaning to _arguments, and a quote ends the word.
std::string escape_zsh(std::string_view text)
{
    std::string escaped;
    for (const char letter : text) {
        if (letter == '\'')
            escaped += "'\\''";
        else if (letter == '[' || letter == ']' || letter == ':' || letter == '\\')
            escaped += std::string("\\") + letter;
        else
            escaped += letter;
    }
    return escaped;
}

std::string option_in_zsh(const CLI::Option &option, const std::string &name)
{
    std::string action;
    if (const auto words = words_of(option); !words.empty())
        action = fmt::format(":value:({})", join(words, " "));
    else if (kind_of(option) == "FILE")
        action = ":file:_files";
    else if (kind_of(option) == "DIRECTORY")
        action = ":directory:_files -/";
    else if (!is_flag(option))
        action = ":value: ";
    return fmt::format("'{}[{}]{}'", name, escape_zsh(option.get_description()), action);
}

std::string complete_in_zsh(const CLI::App &app)
{
    std::string commands, cases;
    for (const CLI::App *command : commands_of(app)) {
        commands +=
            fmt::format("        '{}:{}'\n", command->get_name(), escape_zsh(command->get_description()));
        cases += fmt::format("    {})\n        _arguments", command->get_name());
        for (const CLI::Option *option : all_options_of(app, *command))
            for (const auto &name : names_of(*option))
                cases += " \\\n            " + option_in_zsh(*option, name);
        for (const CLI::Option *option : positionals_of(*command))
            cases += fmt::format(" \\\n            ':{}:({})'", option->get_name(true),
                                 join(words_of(*option), " "));
        cases += "\n        ;;\n";
    }
    return fmt::format(R"(#compdef podrttd
# podrttd completion for zsh; made by podrttd completion zsh
_podrttd() {{
    local -a commands=(
{}    )
    if ((CURRENT == 2)); then
        _describe command commands
        return
    fi
    shift words
    ((CURRENT--))
    case "$words[1]" in
{}    esac
}}
_podrttd "$@"
)",
                       commands, cases);
}

} // namespace

std::string make_manual(const CLI::App &app)
{
    std::string text = fmt::format(
        ".\\\" made by podrttd man\n.TH PODRTTD 8 \"\" \"podrtt {}\"\n.SH NAME\npodrttd \\- what "
        "each pod of this node waits for on the network\n.SH SYNOPSIS\n",
        version);
    for (const CLI::App *command : commands_of(app))
        text += fmt::format(".B podrttd {}\n.RI [ option ...]\n.br\n", escape_manual(command->get_name()));
    text += ".SH DESCRIPTION\n" + escape_manual(app.get_description()) + "\n.SH OPTIONS OF ALL COMMANDS\n";
    for (const CLI::Option *option : options_of(app))
        text += option_in_manual(*option);
    text += ".SH COMMANDS\n";
    for (const CLI::App *command : commands_of(app))
        text += command_in_manual(*command);
    return text + R"(.SH EXIT STATUS
0 if all went well, 1 if not, 2 for wrong usage; of status 3 if no daemon runs or a pod is not measured.
.SH FILES
.TP
.I /sys/fs/bpf/podrtt
Where programs and maps are pinned, which measure whether podrttd runs or not.
.SH SIGNALS
SIGTERM and SIGINT end
.BR "podrttd run" ,
SIGHUP has it read its configuration file again.
.SH SEE ALSO
.BR podrtt (8)
)";
}

std::string make_completion(const CLI::App &app, Shell shell)
{
    return shell == Shell::bash ? complete_in_bash(app) : complete_in_zsh(app);
}

} // namespace podrtt
