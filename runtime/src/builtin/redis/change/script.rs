//! The scripts that carry changes out: one for values in hashes, one for those in RedisJSON.

use std::sync::LazyLock;

use redis::Script;

/// A script, and its name at the server.
pub(super) struct Carrier {
    pub(super) text: String,
    script: Script,
}

impl Carrier {
    fn new(layout: &str) -> Self {
        let text = [layout, CARRY_OUT].concat();
        Self { script: Script::new(&text), text }
    }

    pub(super) fn hash(&self) -> &str {
        self.script.get_hash()
    }
}

/// For hashes with `data`, `version` and `first-write`.
pub(super) static HASH: LazyLock<Carrier> = LazyLock::new(|| Carrier::new(IN_HASHES));

/// For JSON objects with members of these names.
pub(super) static JSON: LazyLock<Carrier> = LazyLock::new(|| Carrier::new(IN_JSON));

/// `read` answers the version of a key, none where there is nothing, then whether there is something
/// that is no such value, and whether later writes have to name the version. `write` stores a value
/// with the next version.
const IN_HASHES: &str = r"
local function read(key)
    local version = redis.pcall('HGET', key, 'version')
    if type(version) == 'table' then
        return nil, true, false
    end
    if not version or version == '' then
        return nil, false, false
    end
    return version, false, redis.call('HEXISTS', key, 'first-write') == 1
end
local function write(key, value, guard)
    redis.call('HSET', key, 'data', value)
    if guard then
        redis.call('HSET', key, 'first-write', 0)
    end
    redis.call('HINCRBY', key, 'version', 1)
end
";

const IN_JSON: &str = r#"
local function read(key)
    local version = redis.pcall('JSON.GET', key, '.version')
    if type(version) == 'table' then
        return nil, true, false
    end
    if not version then
        return nil, false, false
    end
    return version, false, type(redis.pcall('JSON.GET', key, '.first-write')) == 'string'
end
local function write(key, value, guard)
    local version, _, guarded = read(key)
    local after = string.format('%.0f', (tonumber(version) or 0) + 1)
    local first = (guard or guarded) and ',"first-write":0' or ''
    redis.call('JSON.SET', key, '$', '{"data":' .. value .. ',"version":' .. after .. first .. '}')
end
"#;

/// `KEYS` has the key of each change and `ARGV` five texts for each:
///
/// 1. `set` or `delete`;
/// 2. the version that the value has to have; empty: any;
/// 3. for a set, `first` where there must be no value, `guard` where moreover later writes have to
///    name the version, else empty;
/// 4. for a set, the seconds that it lives; empty: as before; 0: for ever;
/// 5. for a set, the value.
///
/// It looks at everything before it changes anything, and keeps in mind what the earlier changes of
/// the same request will have done. It answers 0, or the number of the change that cannot be made,
/// below zero where there is a value in its way.
const CARRY_OUT: &str = r"
local known = {}
local function look(key)
    if not known[key] then
        local version, other, guarded = read(key)
        if other then
            known[key] = {there = true, other = true}
        elseif not version then
            known[key] = {there = false}
        else
            known[key] = {there = true, version = version, guarded = guarded}
        end
    end
    return known[key]
end

for i, key in ipairs(KEYS) do
    local at = 5 * (i - 1)
    local what, asked, how = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
    local now = look(key)
    if asked ~= '' and now.version ~= asked then
        return i
    end
    if what == 'delete' then
        known[key] = {there = false}
    else
        if asked == '' and now.there and (how ~= '' or now.guarded) then
            return -i
        end
        known[key] = {
            there = true,
            version = string.format('%.0f', (tonumber(now.version) or 0) + 1),
            guarded = now.guarded or how == 'guard',
            other = now.other,
        }
    end
end

for i, key in ipairs(KEYS) do
    local at = 5 * (i - 1)
    local what, how, ttl = ARGV[at + 1], ARGV[at + 3], ARGV[at + 4]
    if what == 'delete' then
        redis.call('DEL', key)
    else
        if known[key].other then
            redis.call('DEL', key)
            known[key].other = false
        end
        write(key, ARGV[at + 5], how == 'guard')
        if ttl == '0' then
            redis.call('PERSIST', key)
        elseif ttl ~= '' then
            redis.call('EXPIRE', key, ttl)
        end
    end
end
return 0";
