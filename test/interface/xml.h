/*
 * A strict reader of the part of XML that malloc_info may write.
 */
#ifndef PCM_TEST_XML_H
#define PCM_TEST_XML_H

/*
 * Returns NULL if @text is one well-formed XML document (declaration,
 * comments, elements, attributes, references; no DOCTYPE, CDATA or other
 * processing instruction), else where it stops being one.
 */
const char *xml_error(const char *text);

#endif
