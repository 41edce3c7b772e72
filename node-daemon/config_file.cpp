// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/config_file.h"

#include <yaml-cpp/yaml.h>

#include <string>
#include <vector>

namespace podrtt
{
namespace
{

constexpr const char *pin_path = "pin-path"; // of the command line as a whole

class ConfigFile : public CLI::Config
{
public:
    ConfigFile(const CLI::App &app, const CLI::App &run) : app_(app), run_(run) {}

    std::string to_config(const CLI::App * /*app*/, bool /*defaults*/, bool /*description*/,
                          std::string /*prefix*/) const override
    {
        return "";
    }

    std::vector<CLI::ConfigItem> from_config(std::istream &input) const override
    {
        YAML::Node file;
        try {
            file = YAML::Load(input);
        } catch (const YAML::Exception &error) {
            throw CLI::ConversionError(std::string("the configuration file is no YAML: ") + error.what());
        }
        if (!file.IsMap())
            throw CLI::ConversionError(
                "the configuration file must hold keys and values, such as icmp: true");
        std::vector<CLI::ConfigItem> options;
        std::string mistakes;
        for (const auto &entry : file) {
            const auto key = entry.first.Scalar();
            auto values = read_values(entry.second);
            if (const auto mistake = check(key, entry.second, values); !mistake.empty())
                mistakes.append("\n  ").append(key).append(": ").append(mistake);
            if (values.empty())
                continue; // as if it were not there
            CLI::ConfigItem item;
            if (key != pin_path)
                item.parents = {run_.get_name()};
            item.name = key;
            item.inputs = std::move(values);
            options.push_back(std::move(item));
        }
        if (!mistakes.empty())
            throw CLI::ConversionError("mistakes in the configuration file:" + mistakes);
        return options;
    }

private:
    static std::vector<std::string> read_values(const YAML::Node &node)
    {
        if (node.IsScalar())
            return {node.Scalar()};
        std::vector<std::string> values;
        if (node.IsSequence())
            for (const auto &value : node)
                values.push_back(value.IsScalar() ? value.Scalar() : "");
        return values;
    }

    // What is wrong with an entry, or nothing.
    std::string check(const std::string &key, const YAML::Node &node,
                      const std::vector<std::string> &values) const
    {
        const CLI::App &owner = key == pin_path ? app_ : run_;
        const CLI::Option *option = owner.get_option_no_throw("--" + key);
        if (!option || key == "help" || key == "config")
            return "there is no such option";
        if (node.IsMap() || node.IsNull())
            return "it must be a text, a number, true or false, or a list of these";
        if (node.IsSequence() && option->get_items_expected_max() <= 1)
            return "it takes one value, not a list";
        if (option->get_type_size() == 0 && values != std::vector<std::string>{"true"} &&
            values != std::vector<std::string>{"false"})
            return "it must be true or false";
        // The option's own checks, which may change what they are given.
        for (std::string value : values)
            if (option->get_type_size() != 0)
                for (int i = 0; const CLI::Validator *validator = validator_of(*option, i); i++)
                    if (auto mistake = (*validator)(value); !mistake.empty())
                        return mistake;
        return "";
    }

    static const CLI::Validator *validator_of(const CLI::Option &option, int index)
    {
        try {
            return const_cast<CLI::Option &>(option).get_validator(index);
        } catch (const CLI::OptionNotFound &) { // its way to say that there are no more
            return nullptr;
        }
    }

    const CLI::App &app_;
    const CLI::App &run_;
};

} // namespace

std::shared_ptr<CLI::Config> config_file(const CLI::App &app, const CLI::App &run)
{
    return std::make_shared<ConfigFile>(app, run);
}

} // namespace podrtt
