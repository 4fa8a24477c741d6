/*
 * xml_error(): recursive descent without memory of its own. Every parser takes
 * the place where its production begins and returns the place behind it, or
 * NULL, having noted where it failed.
 */
#include "xml.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const char *failed_at;

static const char *fail(const char *p)
{
	if (!failed_at)
		failed_at = p;
	return NULL;
}

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

static bool starts(const char *p, const char *prefix)
{
	return strncmp(p, prefix, strlen(prefix)) == 0;
}

static const char *parse_name(const char *p)
{
	if (!isalpha((unsigned char)*p) && *p != '_')
		return fail(p);
	while (isalnum((unsigned char)*p) || (*p && strchr("_-.:", *p)))
		p++;
	return p;
}

/* &name; or &#digits; */
static const char *parse_reference(const char *p)
{
	static const char *const known[] = { "&lt;", "&gt;", "&amp;", "&quot;",
					     "&apos;" };
	const char *start = p;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (starts(p, known[i]))
			return p + strlen(known[i]);
	if (!starts(p, "&#") || !isdigit((unsigned char)p[2]))
		return fail(start);
	for (p += 2; isdigit((unsigned char)*p);)
		p++;
	return *p == ';' ? p + 1 : fail(start);
}

/* Characters and references up to one of @stop. */
static const char *parse_text(const char *p, const char *stop)
{
	while (p && *p && !strchr(stop, *p)) {
		if (*p == '&')
			p = parse_reference(p);
		else if (*p == '<' || (iscntrl((unsigned char)*p) &&
				       !strchr("\t\r\n", *p)))
			return fail(p);
		else
			p++;
	}
	return p;
}

static const char *parse_attribute(const char *p)
{
	char quote[2] = { 0, 0 };

	p = parse_name(p);
	if (!p)
		return NULL;
	p = skip_space(p);
	if (*p != '=')
		return fail(p);
	p = skip_space(p + 1);
	if (*p != '"' && *p != '\'')
		return fail(p);
	quote[0] = *p;
	p = parse_text(p + 1, quote);
	if (!p || *p != quote[0])
		return fail(p ? p : "attribute");
	return p + 1;
}

static bool same_name(const char *a, size_t alen, const char *b, size_t blen)
{
	return alen == blen && memcmp(a, b, alen) == 0;
}

/* Was the attribute at @p, @len bytes of name, given since @from already? */
static bool repeated(const char *from, const char *p, size_t len)
{
	const char *name = from;

	while (name < p) {
		size_t k = strcspn(name, " \t\r\n=");

		if (same_name(name, k, p, len))
			return true;
		name = skip_space(parse_attribute(name));
	}
	return false;
}

static const char *parse_attributes(const char *p)
{
	const char *first = skip_space(p);

	for (;;) {
		const char *name = skip_space(p);

		if (*name == '>' || *name == '/' || *name == '?')
			return name;
		if (name == p || repeated(first, name,
					  strcspn(name, " \t\r\n=")))
			return fail(name);
		p = parse_attribute(name);
		if (!p)
			return NULL;
	}
}

static const char *parse_comment(const char *p)
{
	const char *end = strstr(p + 4, "--");

	return end && end[2] == '>' ? end + 3 : fail(p);
}

static const char *parse_element(const char *p);

static const char *parse_content(const char *p)
{
	while (p) {
		p = parse_text(p, "<");
		if (!p || !*p)
			return fail(p ? p : "content");
		if (starts(p, "</"))
			return p;
		p = starts(p, "<!--") ? parse_comment(p) : parse_element(p);
	}
	return NULL;
}

static const char *parse_element(const char *p)
{
	const char *name = p + 1, *name_end, *close;

	if (*p != '<')
		return fail(p);
	name_end = parse_name(name);
	if (!name_end)
		return NULL;
	p = parse_attributes(name_end);
	if (!p)
		return NULL;
	if (starts(p, "/>"))
		return p + 2;
	if (*p != '>')
		return fail(p);
	close = parse_content(p + 1);
	if (!close)
		return NULL;
	p = parse_name(close + 2);
	if (!p || !same_name(name, (size_t)(name_end - name), close + 2,
			     (size_t)(p - close - 2)))
		return fail(close);
	p = skip_space(p);
	return *p == '>' ? p + 1 : fail(p);
}

/* Comments and space before and after the one element. */
static const char *parse_misc(const char *p)
{
	p = skip_space(p);
	while (p && starts(p, "<!--")) {
		p = parse_comment(p);
		if (p)
			p = skip_space(p);
	}
	return p;
}

static const char *parse_declaration(const char *p)
{
	if (!starts(p, "<?xml "))
		return p;
	if (!starts(p + 6, "version=\"1.0\"") &&
	    !starts(p + 6, "version='1.0'"))
		return fail(p);
	p = parse_attributes(p + 5);
	return p && starts(p, "?>") ? p + 2 : fail(p ? p : "declaration");
}

const char *xml_error(const char *text)
{
	const char *p;

	failed_at = NULL;
	p = parse_declaration(text);
	if (p)
		p = parse_misc(p);
	if (p)
		p = parse_element(p);
	if (p)
		p = parse_misc(p);
	if (!p)
		return failed_at ? failed_at : text;
	return *p ? p : NULL;
}
