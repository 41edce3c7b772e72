// SPDX-License-Identifier: Apache-2.0
#include "config_file.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

namespace podrtt
{
namespace
{

std::string value_text(const std::string &key, const nlohmann::json &value)
{
    if (value.is_string())
        return value.get<std::string>();
    if (value.is_number() || value.is_boolean())
        return value.dump();
    throw CLI::ConversionError("\"" + key + "\" must be a text, a number, true or false");
}

class JsonConfig : public CLI::Config
{
public:
    std::string to_config(const CLI::App * /*app*/, bool /*defaults*/, bool /*description*/,
                          std::string /*prefix*/) const override
    {
        return "";
    }

    std::vector<CLI::ConfigItem> from_config(std::istream &input) const override
    {
        const auto json = nlohmann::json::parse(input, nullptr, false);
        if (!json.is_object())
            throw CLI::ConversionError("the file must hold a JSON object, such as {\"icmp\": true}");
        std::vector<CLI::ConfigItem> options;
        for (const auto &[key, value] : json.items()) {
            CLI::ConfigItem item;
            if (key != "pin-path")
                item.parents = {"run"};
            item.name = key;
            if (value.is_array() && value.empty())
                continue; // as if it were not there
            if (value.is_array())
                for (const auto &element : value)
                    item.inputs.push_back(value_text(key, element));
            else
                item.inputs = {value_text(key, value)};
            options.push_back(std::move(item));
        }
        return options;
    }
};

} // namespace

std::shared_ptr<CLI::Config> json_config()
{
    return std::make_shared<JsonConfig>();
}

} // namespace podrtt
