#include "control/api/error.h"
#include "control/api/handler.h"

static void write_url(struct api_request *r, struct nx_json_out *out)
{
    const struct nx_bytes url = r->world->settings.gateway_url;
    nx_json_out_key(out, "url");
    nx_json_out_string(out, url.size == 0 ? nx_bytes_text("/gateway") : url);
}

enum api_next api_instance_gateway(struct api_request *r)
{
    struct nx_json_out out = api_request_json(r, 200, 1024);
    nx_json_out_object(&out);
    write_url(r, &out);
    nx_json_out_object_end(&out);
    return api_request_json_end(r, &out);
}

enum api_next api_instance_gateway_bot(struct api_request *r)
{
    struct nx_json_out out = api_request_json(r, 200, 1024);
    nx_json_out_object(&out);
    write_url(r, &out);
    nx_json_out_key(&out, "shards");
    nx_json_out_u64(&out, 1);
    nx_json_out_key(&out, "session_start_limit");
    nx_json_out_object(&out);
    nx_json_out_key(&out, "total");
    nx_json_out_u64(&out, 1000);
    nx_json_out_key(&out, "remaining");
    nx_json_out_u64(&out, 1000);
    nx_json_out_key(&out, "reset_after");
    nx_json_out_u64(&out, 86400000);
    nx_json_out_key(&out, "max_concurrency");
    nx_json_out_u64(&out, 16);
    nx_json_out_object_end(&out);
    nx_json_out_object_end(&out);
    return api_request_json_end(r, &out);
}

enum api_next api_instance_info(struct api_request *r)
{
    const struct ctl_settings *settings = &r->world->settings;
    struct nx_json_out out = api_request_json(r, 200, 2048);
    nx_json_out_object(&out);
    nx_json_out_key(&out, "name");
    nx_json_out_string(&out, settings->name);
    nx_json_out_key(&out, "version");
    nx_json_out_string(&out, settings->version);
    nx_json_out_key(&out, "registration");
    nx_json_out_bool(&out, settings->has_registration);
    write_url(r, &out);
    nx_json_out_object_end(&out);
    return api_request_json_end(r, &out);
}

enum api_next api_instance_openapi(struct api_request *r)
{
    const struct nx_bytes text = api_route_openapi();
    struct nx_json_out out = api_request_json(r, 200, text.size);
    nx_json_out_raw(&out, text);
    return api_request_json_end(r, &out);
}
